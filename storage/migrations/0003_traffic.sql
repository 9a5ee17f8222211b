CREATE TABLE traffic (
    at            timestamptz NOT NULL,
    received      timestamptz NOT NULL,
    device_id     int         NOT NULL,
    count         int         NOT NULL,
    seconds       float4      NOT NULL,
    speed_mps     float4,
    speed_p85_mps float4,
    occupancy     float4,
    queue         float4,
    queue_m       float4,
    pcu           float4,
    trusted       bool        NOT NULL,
    camera        text        NOT NULL,
    zone          text        NOT NULL,
    class         text        NOT NULL,
    direction     text        NOT NULL
);
SELECT create_hypertable('traffic', by_range('at', interval '7 days'), create_default_indexes => false);
CREATE INDEX traffic_at ON traffic (at DESC);
CREATE INDEX traffic_zone_at ON traffic (device_id, camera, zone, at DESC);
COMMENT ON TABLE traffic IS 'What a camera counted: a row for each zone, minute, class and direction. A minute in which nothing passed is one row with class '''' and count 0: zero is not silence.';
COMMENT ON COLUMN traffic.at IS 'The minute''s beginning.';
COMMENT ON COLUMN traffic.seconds IS 'How much of the minute was observed.';
COMMENT ON COLUMN traffic.count IS 'Tracks; each counts once.';
COMMENT ON COLUMN traffic.speed_mps IS 'Space-mean speed, m/s; NULL where the camera is not calibrated.';
COMMENT ON COLUMN traffic.speed_p85_mps IS '85th percentile of spot speeds, m/s.';
COMMENT ON COLUMN traffic.occupancy IS 'Share of the minute in which the zone held a vehicle. Belongs to the minute: stands on its first row only, as do queue, queue_m and pcu, so that sums and means over rows are right.';
COMMENT ON COLUMN traffic.queue IS 'Longest standing queue of the minute, vehicles; first row only.';
COMMENT ON COLUMN traffic.queue_m IS 'The same in metres; first row only.';
COMMENT ON COLUMN traffic.pcu IS 'Passenger car units that passed in the minute; first row only.';
COMMENT ON COLUMN traffic.trusted IS 'False: the camera was unwell in this minute.';

CREATE TABLE misdated_traffic (LIKE traffic INCLUDING COMMENTS);
CREATE INDEX misdated_traffic_received ON misdated_traffic (received);
COMMENT ON TABLE misdated_traffic IS 'Counts whose minute cannot be true (before 2020, or over five minutes ahead). In no aggregate.';
