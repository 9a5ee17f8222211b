-- Incidents of each of the city's days, by device, kind and severity. Incidents are revised and acted on after their day:
-- the days that changed are counted again, and a number that changes keeps its earlier revision.
ALTER TABLE frozen DROP CONSTRAINT frozen_source_check;
ALTER TABLE frozen ADD CHECK (source IN ('reading', 'traffic', 'incident'));

CREATE TABLE incident_1d (
    bucket        timestamptz NOT NULL,
    device_id     int         NOT NULL,
    kind          text        NOT NULL,
    severity      text        NOT NULL,
    n             int         NOT NULL,
    ended         int         NOT NULL,
    acknowledged  int         NOT NULL,
    resolved      int         NOT NULL,
    false_alarms  int         NOT NULL,
    alert_s       float8,
    acknowledge_s float8,
    duration_s    float8,
    revision      int         NOT NULL DEFAULT 1,
    computed_at   timestamptz NOT NULL DEFAULT now(),
    frozen        boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (device_id, kind, severity, bucket)
);
CREATE TABLE incident_1d_revision (LIKE incident_1d, replaced_at timestamptz NOT NULL);
SELECT create_hypertable('incident_1d', by_range('bucket', interval '365 days'), create_default_indexes => false);
SELECT create_hypertable('incident_1d_revision', by_range('bucket', interval '365 days'), create_default_indexes => false);
CREATE TRIGGER keep_revision BEFORE UPDATE ON incident_1d FOR EACH ROW
    WHEN (OLD.revision IS DISTINCT FROM NEW.revision) EXECUTE FUNCTION keep_revision('incident_1d_revision');

COMMENT ON TABLE incident_1d IS 'Incidents of each day (of their start) by device, kind and severity; 0 where there were some and all turned out to be others.';
COMMENT ON COLUMN incident_1d.bucket IS 'When the city''s day begins.';
COMMENT ON COLUMN incident_1d.ended IS 'How many the device has ended.';
COMMENT ON COLUMN incident_1d.acknowledged IS 'How many somebody has acknowledged; resolved, false_alarms: what people made of them.';
COMMENT ON COLUMN incident_1d.alert_s IS 'Median seconds from the frame that decided it to its arrival here.';
COMMENT ON COLUMN incident_1d.acknowledge_s IS 'Median seconds from its arrival to its first acknowledgement.';
COMMENT ON COLUMN incident_1d.duration_s IS 'Median seconds from its start to its end.';
