-- The fifth word, shared: which device's day was published, and when. What a scorecard says in words is kept as facts
-- too, so that each reader gets it in their own language.
ALTER TABLE quality_1d ADD COLUMN calibrated float8, ADD COLUMN why jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN quality_1d.calibrated IS 'Share of the device''s cameras that are calibrated; NULL: it has none. One that is not counts, and tells no speeds.';
COMMENT ON COLUMN quality_1d.why IS 'reasons as facts: word, value, threshold, and the counts behind them; pages tell them in the reader''s language.';

-- A dataset that is withheld has a row and no file.
ALTER TABLE publication ALTER COLUMN sha256 DROP NOT NULL;
ALTER TABLE publication ADD COLUMN left_out int[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN publication.left_out IS 'Devices whose rows this issue leaves out, because their day was not well.';

CREATE VIEW shared_1d AS
    SELECT q.day, q.device_id, p.first_at AS shared_at,
           extract(epoch FROM p.first_at - ((q.day + 1)::timestamp AT TIME ZONE z.name)) / 86400 AS days
    FROM quality_1d q
    CROSS JOIN LATERAL (SELECT coalesce((SELECT value #>> '{}' FROM city WHERE key = 'time_zone'), 'UTC') AS name) z
    LEFT JOIN LATERAL (
        SELECT min(published_at) AS first_at FROM publication
        WHERE day = q.day AND dataset IN ('readings', 'traffic') AND sha256 IS NOT NULL
          AND NOT q.device_id = ANY(left_out)) p ON true;
COMMENT ON VIEW shared_1d IS 'When each device''s day was first published: the fifth word.';

-- The same words over several devices, by share: those of a ward in the wards of any day, or all of the city.
-- alive_s and delay_s are medians (a silent device's age is infinite), well and shared are shares of the devices.
DROP FUNCTION quality_ward;
CREATE FUNCTION quality_ward(of_day date, wards_of date)
RETURNS TABLE (whole boolean, code text, name text, devices int, correct float8, complete float8, clean float8, alive_s float8,
               delay_s float8, missing bigint, explained bigint, well float8, shared float8, shared_days float8, worst text,
               worst_why jsonb)
LANGUAGE sql STABLE AS $$
    WITH placed AS (
        SELECT q.*, s.shared_at, s.days, d.name AS device, w.code, w.name AS ward, coalesce(p.share, 1) AS share
        FROM quality_1d q
        JOIN device d ON d.id = q.device_id
        JOIN shared_1d s ON s.day = q.day AND s.device_id = q.device_id
        LEFT JOIN device_ward($2) p ON p.device_id = q.device_id
        LEFT JOIN ward w ON w.code = p.code AND w.valid_from = p.valid_from
        WHERE q.day = $1
    )
    SELECT grouping(code) = 1, code, ward, count(DISTINCT device_id)::int,
           sum(correct * share) / sum(share) FILTER (WHERE correct IS NOT NULL),
           sum(complete * share) / sum(share) FILTER (WHERE complete IS NOT NULL),
           sum(clean * share) / sum(share) FILTER (WHERE clean IS NOT NULL),
           percentile_disc(0.5) WITHIN GROUP (ORDER BY coalesce(alive_s, 'infinity')),
           percentile_disc(0.5) WITHIN GROUP (ORDER BY delay_s),
           sum(missing)::bigint, sum(explained)::bigint,
           sum(share * well::int) / sum(share), sum(share * (shared_at IS NOT NULL)::int) / sum(share),
           max(days)::float8,
           (array_agg(device ORDER BY score, device))[1], (array_agg(why ORDER BY score, device))[1]
    FROM placed GROUP BY GROUPING SETS ((code, ward), ())
$$;
COMMENT ON FUNCTION quality_ward IS 'The five words by ward, in the wards of any day; the row `whole` is the city, one without code holds the devices whose ward nobody knows.';
