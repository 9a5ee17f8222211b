-- What the rest of the house needs to know of the city: its name, time zone, languages, thresholds … as its file says.
CREATE TABLE city (
    key   text  PRIMARY KEY,
    value jsonb NOT NULL
);

-- Wards as they were and are: a code can be used again for another ward, so validity is part of the key.
CREATE TABLE ward (
    code       text   NOT NULL,
    name       text   NOT NULL,
    name_en    text,
    kind       text   NOT NULL,
    district   text,
    province   text   NOT NULL,
    latitude   float8 NOT NULL,
    longitude  float8 NOT NULL,
    area_km2   float8,
    valid_from date   NOT NULL DEFAULT '0001-01-01',
    valid_to   date   NOT NULL DEFAULT '9999-12-31',  -- the first day on which it no longer holds
    rings      polygon[],                             -- longitude, latitude; where the city gives polygons
    PRIMARY KEY (code, valid_from),
    CHECK (valid_from < valid_to)
);

-- Which ward took over from which. share is the part of the old ward that went there: nobody publishes it, so it is an
-- estimate, and `method` says how it was made; the shares of one old ward add up to 1.
CREATE TABLE ward_successor (
    old_code   text   NOT NULL,
    old_from   date   NOT NULL,
    new_code   text   NOT NULL,
    new_from   date   NOT NULL,
    main       boolean NOT NULL,
    share      float8 NOT NULL CHECK (share > 0 AND share <= 1),
    method     text   NOT NULL,
    PRIMARY KEY (old_code, old_from, new_code, new_from),
    FOREIGN KEY (old_code, old_from) REFERENCES ward (code, valid_from) ON DELETE CASCADE,
    FOREIGN KEY (new_code, new_from) REFERENCES ward (code, valid_from) ON DELETE CASCADE
);

CREATE INDEX ward_valid ON ward (valid_from, valid_to);

-- Where a point lies on a day: in a polygon (inside an odd number of rings: holes and islands), or nearest to a centroid.
-- among: only these wards come into question.
CREATE FUNCTION ward_at(
    latitude float8, longitude float8, day date, among text[] DEFAULT NULL,
    OUT code text, OUT valid_from date, OUT method text, OUT km float8)
LANGUAGE sql STABLE AS $$
    SELECT w.code, w.valid_from,
           CASE WHEN inside THEN 'polygon' ELSE 'estimate: nearest centroid' END,
           111.32 * sqrt((w.latitude - $1) ^ 2 + ((w.longitude - $2) * cos(radians($1))) ^ 2)
    FROM ward w,
         LATERAL (SELECT (SELECT count(*) FROM unnest(w.rings) ring WHERE ring @> point($2, $1)) % 2 = 1) i (inside)
    WHERE $3 >= w.valid_from AND $3 < w.valid_to AND (among IS NULL OR w.code = ANY(among))
    ORDER BY inside DESC, 4, 1 LIMIT 1
$$;

-- Which ward each device stands in, in the wards of any day, and how we know. Shares of one device add up to 1; a device
-- that names no ward and has no position has no row. A code that the device names is one of the day on which it named it.
CREATE FUNCTION device_ward(day date)
RETURNS TABLE (device_id int, code text, valid_from date, share float8, method text)
LANGUAGE sql STABLE AS $$
    WITH named AS (
        SELECT d.id, d.latitude, d.longitude, w.code, w.valid_from, $1 >= w.valid_from AND $1 < w.valid_to AS holds
        FROM device d LEFT JOIN LATERAL (
            SELECT * FROM ward w WHERE w.code = d.ward_code
            ORDER BY coalesce(d.about_at::date, $1) >= w.valid_from AND coalesce(d.about_at::date, $1) < w.valid_to DESC,
                     w.valid_from DESC
            LIMIT 1) w ON true
    ), heir AS (
        SELECT n.id, n.latitude, n.longitude, s.code, s.valid_from, s.share / sum(s.share) OVER (PARTITION BY n.id) AS share, s.method
        FROM named n, LATERAL (
            SELECT s.new_code AS code, s.new_from AS valid_from, s.share, s.method FROM ward_successor s
            WHERE s.old_code = n.code AND s.old_from = n.valid_from
            UNION ALL
            SELECT s.old_code, s.old_from, s.share, 'estimate: the wards that became it, by their share' FROM ward_successor s
            WHERE s.new_code = n.code AND s.new_from = n.valid_from) s
        JOIN ward w ON w.code = s.code AND w.valid_from = s.valid_from AND $1 >= w.valid_from AND $1 < w.valid_to
        WHERE NOT n.holds
    ), placed AS (
        SELECT n.id, a.code, a.valid_from, 1.0::float8 AS share,
               a.method || CASE WHEN h.among IS NULL THEN '' ELSE ' among those that follow from the ward it named' END AS method
        FROM named n
        LEFT JOIN LATERAL (SELECT array_agg(h.code) AS among FROM heir h WHERE h.id = n.id) h ON true,
        LATERAL ward_at(n.latitude, n.longitude, $1, h.among) a
        WHERE n.holds IS NOT TRUE AND n.latitude IS NOT NULL AND n.longitude IS NOT NULL AND a.code IS NOT NULL
    )
    SELECT id, code, valid_from, 1.0::float8, 'named by the device' FROM named WHERE holds
    UNION ALL SELECT * FROM placed
    UNION ALL SELECT id, code, valid_from, share, method FROM heir WHERE latitude IS NULL OR longitude IS NULL
$$;

COMMENT ON TABLE city IS 'What the city file says, key by key.';
COMMENT ON TABLE ward IS 'Wards as they were and are: a code may be used again for another ward, so its first day is part of the key.';
COMMENT ON COLUMN ward.valid_from IS 'First day on which it held; 0001-01-01: as far back as we know.';
COMMENT ON COLUMN ward.valid_to IS 'First day on which it no longer holds; 9999-12-31: it holds.';
COMMENT ON COLUMN ward.area_km2 IS 'NULL where no list tells (the wards before July 2025).';
COMMENT ON TABLE ward_successor IS 'Which ward took over from which. share: the part of the old ward that went there; method says how it is known.';
COMMENT ON COLUMN ward_successor.main IS 'The one to name where only one can be named.';
