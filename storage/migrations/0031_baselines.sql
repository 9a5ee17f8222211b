-- What is normal for each series at each hour of each weekday, and where it was not.

-- What has a baseline: a series, or the volume or the speed of a zone.
CREATE TABLE measure (
    id        int  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series_id int  REFERENCES series,
    device_id int  REFERENCES device,
    camera    text,
    zone      text,
    quantity  text NOT NULL CHECK (quantity IN ('value', 'volume', 'speed')),
    CHECK (num_nonnulls(series_id, device_id) = 1 AND num_nonnulls(device_id, camera, zone) IN (0, 3)),
    UNIQUE NULLS NOT DISTINCT (series_id, device_id, camera, zone, quantity)
);
CREATE TABLE baseline (
    bucket      timestamptz NOT NULL,
    measure_id  int         NOT NULL,
    value       float8      NOT NULL,
    expected    float8      NOT NULL,
    spread      float8      NOT NULL,
    score       float8      NOT NULL,
    computed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (measure_id, bucket)
);
SELECT create_hypertable('baseline', by_range('bucket', interval '30 days'), create_default_indexes => false);
CREATE TABLE deviation (
    measure_id  int         NOT NULL REFERENCES measure,
    since       timestamptz NOT NULL,
    until       timestamptz NOT NULL,
    peak_at     timestamptz NOT NULL,
    value       float8      NOT NULL,
    expected    float8      NOT NULL,
    score       float8      NOT NULL,
    buckets     int         NOT NULL,
    computed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (measure_id, since)
);
CREATE INDEX deviation_since ON deviation (since DESC);
-- The days that were compared with what was normal, and when: a day is due again once an aggregate of it is younger.
CREATE TABLE baseline_day (
    day         date        PRIMARY KEY,
    computed_at timestamptz NOT NULL
);
-- Which devices and names the measures are of.
CREATE VIEW measured AS
    SELECT m.id AS measure_id, m.quantity, m.series_id, d.id AS device_id, d.name AS device, m.camera, m.zone,
           coalesce(s.name, m.camera || '/' || m.zone) AS name,
           CASE m.quantity WHEN 'value' THEN s.unit WHEN 'volume' THEN '/h' ELSE 'm/s' END AS unit
    FROM measure m LEFT JOIN series s ON s.id = m.series_id JOIN device d ON d.id = coalesce(m.device_id, s.device_id);

COMMENT ON TABLE measure IS 'What has a baseline: a series (value), or the vehicles an hour (volume) or mean speed of a zone.';
COMMENT ON VIEW measured IS 'The measures with the names of their devices, series, cameras and zones.';
COMMENT ON TABLE baseline IS 'Each hour of each measure beside what was to be expected from the weeks before it.';
COMMENT ON COLUMN baseline.bucket IS 'When the hour begins, UTC.';
COMMENT ON COLUMN baseline.value IS 'Mean of a series; vehicles an hour (extrapolated from the time observed); mean speed, m/s.';
COMMENT ON COLUMN baseline.expected IS 'What was normal for this hour and weekday, from rows before it.';
COMMENT ON COLUMN baseline.spread IS 'How far values usually are from what was expected: 1.4826 times their median absolute deviation, floored.';
COMMENT ON COLUMN baseline.score IS '(value - expected) / spread.';
COMMENT ON TABLE deviation IS 'Runs of hours whose score was beyond the threshold on one side; recomputed where aggregates are corrected.';
COMMENT ON COLUMN deviation.until IS 'End of its last hour so far.';
COMMENT ON COLUMN deviation.peak_at IS 'The hour farthest off: value, expected and score are its.';
COMMENT ON COLUMN deviation.buckets IS 'How many hours it holds.';
COMMENT ON TABLE baseline_day IS 'When each of the city''s days was last compared with what was normal.';
