-- What was measured. `reading` has no unique index: the ledger knows which messages are stored, and one index is all
-- that COPY has to maintain. Widest columns first: 56 bytes a row instead of 64.
CREATE TABLE reading (
    at        timestamptz NOT NULL,
    received  timestamptz NOT NULL,
    value     float8      NOT NULL,
    series_id int         NOT NULL,
    quality   smallint    NOT NULL DEFAULT 0
);
SELECT create_hypertable('reading', by_range('at', interval '1 day'), create_default_indexes => false);
CREATE INDEX reading_series_at ON reading (series_id, at DESC);
COMMENT ON TABLE reading IS 'Measurements of numbered messages (our agents). See any_reading for all devices.';
COMMENT ON COLUMN reading.at IS 'When it was measured, by the sensor''s clock; with quality bit 4 by ours.';
COMMENT ON COLUMN reading.received IS 'When ingest received the message that carried it.';
COMMENT ON COLUMN reading.value IS 'In the series'' unit.';
COMMENT ON COLUMN reading.quality IS 'Bits: 1 out of range, 2 implausible time, 4 no absolute time, 8 bucket was frozen, 16 rate of change, 32 stuck, 64 duplicate time, 128 unit differs. 0 is good.';

-- Devices that number nothing may send the same reading twice: series and time tell.
CREATE TABLE foreign_reading (LIKE reading INCLUDING DEFAULTS INCLUDING COMMENTS);
SELECT create_hypertable('foreign_reading', by_range('at', interval '1 day'), create_default_indexes => false);
CREATE UNIQUE INDEX foreign_reading_series_at ON foreign_reading (series_id, at DESC);
COMMENT ON TABLE foreign_reading IS 'Measurements of messages without an id, unique by series and time.';

CREATE VIEW any_reading AS
    SELECT at, received, value, series_id, quality FROM reading
    UNION ALL
    SELECT at, received, value, series_id, quality FROM foreign_reading;
COMMENT ON VIEW any_reading IS 'Measurements of all devices, with a plausible time.';

-- An unset clock would make a chunk for each day since 1970: rows that can belong to no bucket are kept beside.
CREATE TABLE misdated_reading (LIKE reading INCLUDING DEFAULTS INCLUDING COMMENTS);
SELECT create_hypertable('misdated_reading', by_range('received', interval '7 days'), create_default_indexes => false);
CREATE INDEX misdated_reading_series_received ON misdated_reading (series_id, received DESC);
COMMENT ON TABLE misdated_reading IS 'Measurements whose time cannot be true (before 2020, or over five minutes ahead): quality bit 2. In no aggregate.';

-- SenML strings, booleans and data. By the time of receipt, so that wrong clocks need no table of their own.
CREATE TABLE state (
    at        timestamptz NOT NULL,
    received  timestamptz NOT NULL,
    series_id int         NOT NULL,
    quality   smallint    NOT NULL DEFAULT 0,
    value     jsonb,
    data      bytea,
    CHECK (num_nonnulls(value, data) = 1)
);
SELECT create_hypertable('state', by_range('received', interval '7 days'), create_default_indexes => false);
CREATE INDEX state_series_at ON state (series_id, at DESC);
COMMENT ON TABLE state IS 'What is not a number: a string or boolean (value), or bytes (data). Quality as in reading.';
