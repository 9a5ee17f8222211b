-- Aggregates: what planners build on. A bucket is computed once, when it closes; a late row marks it, and it is computed
-- again. A number that was published and changes keeps its earlier revision, so that "what did we see then?" has an answer.

-- How far each level of each source has been closed (no unmarked row may come for an earlier bucket) and computed.
CREATE TABLE closing (
    source         text        NOT NULL CHECK (source IN ('reading', 'traffic')),
    level          text        NOT NULL CHECK (level IN ('15m', '1h', '1d')),
    closed_until   timestamptz NOT NULL,
    computed_until timestamptz,
    PRIMARY KEY (source, level)
);

-- Rows older than this have been, or may be, dropped: their buckets can't be computed again, and are left as they are.
CREATE TABLE frozen (
    source text        PRIMARY KEY CHECK (source IN ('reading', 'traffic')),
    before timestamptz NOT NULL
);

-- Buckets of 15 minutes that a row came late for; id is a series (reading) or a device (traffic).
CREATE TABLE late_mark (
    source    text        NOT NULL CHECK (source IN ('reading', 'traffic')),
    id        int         NOT NULL,
    bucket    timestamptz NOT NULL,
    marked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, id, bucket)
);

-- Marks claimed and not yet worked off. A table of its own, so that ingest never waits for a computation: the claim is a
-- short transaction, and a run killed after it leaves the work here for the next.
CREATE TABLE late_work (LIKE late_mark INCLUDING ALL);

-- The shared lock first, in a statement of its own, so that closed_until is read after every closing that came before.
CREATE FUNCTION late_bounds(of_source text, OUT closed_until timestamptz, OUT frozen_before timestamptz)
LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'late_bounds needs READ COMMITTED, not %', upper(current_setting('transaction_isolation'));
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtext('ngatu/closing/' || of_source));
    SELECT max(c.closed_until) INTO closed_until FROM closing c WHERE c.source = of_source;
    SELECT f.before INTO frozen_before FROM frozen f WHERE f.source = of_source;
END $$;

CREATE TABLE reading_15m (
    bucket      timestamptz NOT NULL,
    series_id   int         NOT NULL,
    n           int         NOT NULL,
    mean        float8      NOT NULL,
    minimum     float8      NOT NULL,
    maximum     float8      NOT NULL,
    sd          float8,
    p50         float8      NOT NULL,
    p95         float8      NOT NULL,
    coverage    float4,
    good        float4      NOT NULL,
    revision    int         NOT NULL DEFAULT 1,
    computed_at timestamptz NOT NULL DEFAULT now(),
    frozen      boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (series_id, bucket)
);
CREATE TABLE reading_1h (LIKE reading_15m INCLUDING ALL);
CREATE TABLE reading_1d (LIKE reading_15m INCLUDING ALL);

-- class = '' and direction = '' is the zone as a whole: occupancy, queue and pcu stand only there.
CREATE TABLE traffic_15m (
    bucket        timestamptz NOT NULL,
    device_id     int         NOT NULL,
    camera        text        NOT NULL,
    zone          text        NOT NULL,
    class         text        NOT NULL,
    direction     text        NOT NULL,
    count         bigint      NOT NULL,
    speed_mps     float8,
    speed_p85_mps float8,
    occupancy     float8,
    queue         float4,
    queue_m       float4,
    pcu           float8,
    seconds       float8      NOT NULL,
    coverage      float4      NOT NULL,
    trusted       float4      NOT NULL,
    revision      int         NOT NULL DEFAULT 1,
    computed_at   timestamptz NOT NULL DEFAULT now(),
    frozen        boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (device_id, camera, zone, class, direction, bucket)
);
CREATE TABLE traffic_1h (LIKE traffic_15m INCLUDING ALL);
CREATE TABLE traffic_1d (LIKE traffic_15m INCLUDING ALL);

-- LIKE without indexes: a key has as many revisions here as it had numbers.
CREATE TABLE reading_15m_revision (LIKE reading_15m, replaced_at timestamptz NOT NULL);
CREATE TABLE reading_1h_revision (LIKE reading_15m, replaced_at timestamptz NOT NULL);
CREATE TABLE reading_1d_revision (LIKE reading_15m, replaced_at timestamptz NOT NULL);
CREATE TABLE traffic_15m_revision (LIKE traffic_15m, replaced_at timestamptz NOT NULL);
CREATE TABLE traffic_1h_revision (LIKE traffic_15m, replaced_at timestamptz NOT NULL);
CREATE TABLE traffic_1d_revision (LIKE traffic_15m, replaced_at timestamptz NOT NULL);

-- Inside a trigger TG_TABLE_NAME is the chunk: the history's name is an argument.
CREATE FUNCTION keep_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %I SELECT ($1).*, $2', TG_ARGV[0]) USING OLD, NEW.computed_at;
    RETURN NEW;
END $$;

DO $$
DECLARE
    name    text;
    span    interval;
    columns text;
BEGIN
    FOR name, span IN
        SELECT source || '_' || level, length
        FROM unnest(ARRAY['reading', 'traffic']) source,
             (VALUES ('15m', interval '7 days'), ('1h', interval '30 days'), ('1d', interval '365 days')) l (level, length)
    LOOP
        PERFORM create_hypertable(name, by_range('bucket', span), create_default_indexes => false);
        PERFORM create_hypertable(name || '_revision', by_range('bucket', span), create_default_indexes => false);
        EXECUTE format('CREATE INDEX ON %I (%I, bucket)', name || '_revision',
                       CASE WHEN name LIKE 'reading%' THEN 'series_id' ELSE 'device_id' END);
        EXECUTE format(
            'CREATE TRIGGER keep_revision BEFORE UPDATE ON %I FOR EACH ROW'
            ' WHEN (OLD.revision IS DISTINCT FROM NEW.revision) EXECUTE FUNCTION keep_revision(%L)',
            name, name || '_revision');
        -- What planners saw at that moment.
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
        FROM pg_attribute WHERE attrelid = name::regclass AND attnum > 0 AND NOT attisdropped;
        EXECUTE format(
            'CREATE FUNCTION %1$I(seen timestamptz) RETURNS SETOF %2$I LANGUAGE sql STABLE AS $f$'
            ' SELECT %4$s FROM %2$I WHERE computed_at <= seen'
            ' UNION ALL SELECT %4$s FROM %3$I WHERE computed_at <= seen AND replaced_at > seen $f$',
            name || '_as_of', name, name || '_revision', columns);
    END LOOP;
END $$;

-- A late minute is looked for by device and time.
CREATE INDEX traffic_device_at ON traffic (device_id, at DESC);

COMMENT ON TABLE closing IS 'How far each level of each source is closed (a row that comes for an earlier bucket is late) and computed.';
COMMENT ON TABLE frozen IS 'Raw rows before this may be gone: buckets before it are never computed again.';
COMMENT ON TABLE late_mark IS 'Buckets that rows came late for, marked in the transaction that stored the rows; id: series or device.';
COMMENT ON TABLE late_work IS 'Marks claimed by a run of the DAG late and not yet worked off.';
COMMENT ON TABLE reading_15m IS 'Readings of each series in each 15 minutes of UTC. reading_1h: hours of UTC; reading_1d: the city''s days.';
COMMENT ON COLUMN reading_15m.bucket IS 'When the bucket begins.';
COMMENT ON COLUMN reading_15m.n IS 'How many readings: all with a plausible time, good or not.';
COMMENT ON COLUMN reading_15m.sd IS 'Standard deviation (n - 1); NULL for a single reading.';
COMMENT ON COLUMN reading_15m.p50 IS 'Median, interpolated between the two middle readings.';
COMMENT ON COLUMN reading_15m.coverage IS 'Share of the readings that were due at the declared period, at most 1; NULL: no period declared.';
COMMENT ON COLUMN reading_15m.good IS 'Share of readings without any quality flag.';
COMMENT ON COLUMN reading_15m.revision IS '1 when first published; earlier numbers stand in reading_15m_revision, and reading_15m_as_of(t) gives what was seen then.';
COMMENT ON COLUMN reading_15m.frozen IS 'The raw readings are gone: this number stays.';
COMMENT ON TABLE traffic_15m IS 'Traffic of each zone, class and direction in each 15 minutes of UTC; class  and direction  is the zone as a whole. traffic_1h: hours of UTC; traffic_1d: the city''s days.';
COMMENT ON COLUMN traffic_15m.count IS 'Vehicles or people that were counted in the seconds observed; not extrapolated.';
COMMENT ON COLUMN traffic_15m.speed_mps IS 'Space-mean speed, m/s: flow-weighted harmonic mean of the minutes''.';
COMMENT ON COLUMN traffic_15m.speed_p85_mps IS 'Flow-weighted mean of the minutes'' 85th percentiles, m/s: an approximation.';
COMMENT ON COLUMN traffic_15m.occupancy IS 'Share of the time observed in which the zone held a vehicle; on the whole zone''s row only, as are queue, queue_m and pcu.';
COMMENT ON COLUMN traffic_15m.queue IS 'Longest standing queue, vehicles; queue_m: metres.';
COMMENT ON COLUMN traffic_15m.pcu IS 'Passenger car units that passed.';
COMMENT ON COLUMN traffic_15m.seconds IS 'How much of the bucket was observed; coverage is its share.';
COMMENT ON COLUMN traffic_15m.trusted IS 'Share of the seconds observed in which the camera was well.';
