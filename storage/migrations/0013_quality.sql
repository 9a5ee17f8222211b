-- The city's five words, measured for each device and day: correct, complete, clean, alive, shared.
CREATE TABLE quality_1d (
    day         date        NOT NULL,
    device_id   int         NOT NULL REFERENCES device,
    correct     float8,
    complete    float8,
    clean       float8,
    alive_s     float8,
    delay_s     float8,
    n           bigint      NOT NULL,
    missing     bigint      NOT NULL,
    explained   bigint      NOT NULL,
    well        boolean     NOT NULL,
    score       float8      NOT NULL,
    reasons     text[]      NOT NULL,
    revision    int         NOT NULL DEFAULT 1,
    computed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (day, device_id)
);
COMMENT ON TABLE quality_1d IS 'How good each device''s data of each of the city''s days is. The fifth word, shared, is in publication.';
COMMENT ON COLUMN quality_1d.correct IS 'Share of values in range, plausible, not stuck, and of traffic seconds with a healthy camera; NULL: no values.';
COMMENT ON COLUMN quality_1d.complete IS 'Received of what was due: mean coverage of its declared series and its zones; NULL: nothing declared.';
COMMENT ON COLUMN quality_1d.clean IS 'Share of values of declared series and units, no duplicate times, and of messages that could be read.';
COMMENT ON COLUMN quality_1d.alive_s IS 'Age of the latest value at the day''s end, seconds; NULL: none that day.';
COMMENT ON COLUMN quality_1d.delay_s IS 'Median seconds from measurement to receipt.';
COMMENT ON COLUMN quality_1d.n IS 'Values received.';
COMMENT ON COLUMN quality_1d.missing IS 'Messages known that day to be missing, without explanation; explained: given up or discarded, and why is known.';
COMMENT ON COLUMN quality_1d.well IS 'No word is below the city''s threshold; else the device''s day is not published.';
COMMENT ON COLUMN quality_1d.score IS 'The lowest of the words as a share of its threshold, at most 1: worst first is ORDER BY score.';
COMMENT ON COLUMN quality_1d.reasons IS 'In words, worst first: why it is not well.';

-- Which of a day's datasets have been published, and which not and why.
CREATE TABLE publication (
    day          date        NOT NULL,
    dataset      text        NOT NULL,
    revision     int         NOT NULL,
    sha256       text        NOT NULL,
    rows         bigint      NOT NULL,
    withheld     text[]      NOT NULL DEFAULT '{}',
    published_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (day, dataset, revision)
);
COMMENT ON TABLE publication IS 'Open data: each issue of each dataset of each day; withheld says what was left out and why.';

-- Wards of any day: the same words over the devices in them, by share.
CREATE FUNCTION quality_ward(of_day date, wards_of date)
RETURNS TABLE (code text, name text, devices int, correct float8, complete float8, clean float8, well float8, score float8)
LANGUAGE sql STABLE AS $$
    SELECT w.code, w.name, count(DISTINCT q.device_id)::int,
           sum(q.correct * p.share) / sum(p.share) FILTER (WHERE q.correct IS NOT NULL),
           sum(q.complete * p.share) / sum(p.share) FILTER (WHERE q.complete IS NOT NULL),
           sum(q.clean * p.share) / sum(p.share) FILTER (WHERE q.clean IS NOT NULL),
           sum(p.share) FILTER (WHERE q.well) / sum(p.share), min(q.score)
    FROM quality_1d q JOIN device_ward($2) p USING (device_id)
    JOIN ward w ON w.code = p.code AND w.valid_from = p.valid_from
    WHERE q.day = $1 GROUP BY w.code, w.name ORDER BY 8, 1
$$;
