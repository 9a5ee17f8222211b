-- How long a device may be silent depends on its periods: kept with its score, so that wards and the city are judged by
-- what each of their devices is allowed, not by one number for all.
ALTER TABLE quality_1d ADD COLUMN alive_limit_s float8;
UPDATE quality_1d q SET alive_limit_s = greatest(
    coalesce((SELECT (value ->> 'alive_s')::float8 FROM city WHERE key = 'thresholds'), 600),
    1.5 * (SELECT min(period_s) FROM series s WHERE s.device_id = q.device_id AND s.declared AND s.period_s > 0));
ALTER TABLE quality_1d ALTER COLUMN alive_limit_s SET NOT NULL;
COMMENT ON COLUMN quality_1d.alive_limit_s IS 'How old its latest value may be at the day''s end, seconds: the city''s alive_s, or one and a half periods of its quickest series where that is longer.';

-- alive_s and alive_limit_s are those of the device in the middle, when they stand in the order of alive_s as a share of
-- alive_limit_s (a silent one last); delay_s is the median, well and shared are shares of the devices.
DROP FUNCTION quality_ward;
CREATE FUNCTION quality_ward(of_day date, wards_of date)
RETURNS TABLE (whole boolean, code text, name text, devices int, correct float8, complete float8, clean float8, alive_s float8,
               alive_limit_s float8, delay_s float8, missing bigint, explained bigint, well float8, shared float8,
               shared_days float8, worst text, worst_why jsonb)
LANGUAGE sql STABLE AS $$
    WITH placed AS (
        SELECT q.*, coalesce(q.alive_s, 'infinity') / q.alive_limit_s AS silence,
               s.shared_at, s.days, d.name AS device, w.code, w.name AS ward, coalesce(p.share, 1) AS share
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
           (array_agg(alive_s ORDER BY silence, device))[(count(*) + 1) / 2],
           (array_agg(alive_limit_s ORDER BY silence, device))[(count(*) + 1) / 2],
           percentile_disc(0.5) WITHIN GROUP (ORDER BY delay_s),
           sum(missing)::bigint, sum(explained)::bigint,
           sum(share * well::int) / sum(share), sum(share * (shared_at IS NOT NULL)::int) / sum(share),
           max(days)::float8,
           (array_agg(device ORDER BY score, device))[1], (array_agg(why ORDER BY score, device))[1]
    FROM placed GROUP BY GROUPING SETS ((code, ward), ())
$$;
COMMENT ON FUNCTION quality_ward IS 'The five words by ward, in the wards of any day; the row `whole` is the city, one without code holds the devices whose ward nobody knows. alive_s and alive_limit_s are those of the middle device, by silence as a share of what it is allowed.';
