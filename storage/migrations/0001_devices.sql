-- Who sends, and what they say they send. Everything else refers to these two by small integers.
CREATE EXTENSION IF NOT EXISTS timescaledb;

-- The Apache edition comes with a job (clean-up of the job history) that it then refuses to run, hour after hour. Only
-- a superuser may switch it off; for another owner of the schema it is noise in the server's log.
DO $$
BEGIN
    IF current_setting('timescaledb.license') = 'apache'
       AND has_table_privilege('_timescaledb_config.bgw_job', 'UPDATE') THEN
        UPDATE _timescaledb_config.bgw_job SET scheduled = false WHERE id = 3;
    END IF;
END $$;

CREATE TABLE device (
    id                int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name              text COLLATE "C" NOT NULL UNIQUE,
    first_seen        timestamptz NOT NULL DEFAULT now(),
    last_seen         timestamptz NOT NULL DEFAULT now(),
    about             jsonb,
    about_rev         bigint NOT NULL DEFAULT 0,
    about_at          timestamptz,
    latitude          float8,
    longitude         float8,
    ward_code         text,
    clock_offset_s    float8,
    online            bool NOT NULL DEFAULT false,
    status_connection bigint NOT NULL DEFAULT -1,
    status_n          bigint NOT NULL DEFAULT -1,
    status_at         timestamptz,
    status            jsonb,
    numbers_messages  bool NOT NULL DEFAULT true,
    heard_since       timestamptz
);
COMMENT ON TABLE device IS 'One row for each device that ever spoke: an edge agent, or a device that is not ours.';
COMMENT ON COLUMN device.name IS 'As in its MQTT topics: ngatu/v1/<name>/…';
COMMENT ON COLUMN device.last_seen IS 'When it was last heard, by the database''s clock; written every few seconds, not with every message.';
COMMENT ON COLUMN device.about IS 'What it last said about itself (events/about.py); sensors, cameras, zones, versions.';
COMMENT ON COLUMN device.about_rev IS 'Revision of about; a lower one never replaces a higher one.';
COMMENT ON COLUMN device.ward_code IS 'The ward that the device itself names; NULL: estimate it from its position.';
COMMENT ON COLUMN device.clock_offset_s IS 'Its clock minus ours, seconds, least-delayed message of the last minutes; NULL: it never sent a time.';
COMMENT ON COLUMN device.status_connection IS 'With status_n: which status is known. Only a higher (connection, n) replaces it.';
COMMENT ON COLUMN device.status IS 'What it last said about its outbox (events/status.py).';
COMMENT ON COLUMN device.numbers_messages IS 'False once a message without an id came from it: such devices are only as durable as the broker.';
COMMENT ON COLUMN device.heard_since IS 'Since when the durable subscription listens to a device that does not number its messages.';

CREATE TABLE series (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id   int NOT NULL REFERENCES device,
    name        text COLLATE "C" NOT NULL,
    unit        text,
    description text,
    minimum     float8,
    maximum     float8,
    period_s    float8,
    latitude    float8,
    longitude   float8,
    declared    bool NOT NULL DEFAULT false,
    first_seen  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (device_id, name)
);
COMMENT ON TABLE series IS 'One measured quantity of one device: what a chart shows as one line.';
COMMENT ON COLUMN series.unit IS 'UCUM; as declared in about, else as in the first reading that named one.';
COMMENT ON COLUMN series.minimum IS 'Declared lowest plausible value; readings below are kept, with quality bit 1.';
COMMENT ON COLUMN series.maximum IS 'Declared highest plausible value; readings above are kept, with quality bit 1.';
COMMENT ON COLUMN series.period_s IS 'A value is due this often, seconds; coverage is counted against it.';
COMMENT ON COLUMN series.latitude IS 'Where the sensor stands apart from its device.';
COMMENT ON COLUMN series.declared IS 'The device''s about names it; false: it only turned up in readings.';
