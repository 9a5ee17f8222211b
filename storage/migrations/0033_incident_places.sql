-- An incident that says where it happened counts in the ward of that place, not in the ward of whoever told of it: what
-- citizens report comes through one device, and a camera sees across a border. Days that were counted before this stand by
-- the device until something in them changes.
ALTER TABLE incident_1d ADD COLUMN ward_code text NOT NULL DEFAULT '', ADD COLUMN ward_from date;
ALTER TABLE incident_1d_revision ADD COLUMN ward_code text NOT NULL DEFAULT '', ADD COLUMN ward_from date;
ALTER TABLE incident_1d DROP CONSTRAINT incident_1d_pkey, ADD PRIMARY KEY (device_id, kind, severity, bucket, ward_code);
COMMENT ON COLUMN incident_1d.ward_code IS 'Ward of that day in which they happened, by their own places; empty: they have none, and stand where their device stands.';
COMMENT ON COLUMN incident_1d.ward_from IS 'First day on which that ward held.';
COMMENT ON COLUMN incident_1d_revision.ward_code IS 'As in incident_1d.';
COMMENT ON COLUMN incident_1d_revision.ward_from IS 'As in incident_1d.';

-- By name: the columns of the two tables no longer come in the same order.
CREATE FUNCTION keep_incident_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO incident_1d_revision (bucket, device_id, kind, severity, n, ended, acknowledged, resolved, false_alarms,
                                      alert_s, acknowledge_s, duration_s, revision, computed_at, frozen, ward_code,
                                      ward_from, replaced_at)
    VALUES (OLD.bucket, OLD.device_id, OLD.kind, OLD.severity, OLD.n, OLD.ended, OLD.acknowledged, OLD.resolved,
            OLD.false_alarms, OLD.alert_s, OLD.acknowledge_s, OLD.duration_s, OLD.revision, OLD.computed_at, OLD.frozen,
            OLD.ward_code, OLD.ward_from, NEW.computed_at);
    RETURN NEW;
END $$;
DROP TRIGGER keep_revision ON incident_1d;
CREATE TRIGGER keep_revision BEFORE UPDATE ON incident_1d FOR EACH ROW
    WHEN (OLD.revision IS DISTINCT FROM NEW.revision) EXECUTE FUNCTION keep_incident_revision();

CREATE OR REPLACE FUNCTION incident_1d_as_of(seen timestamptz) RETURNS SETOF incident_1d LANGUAGE sql STABLE AS $$
    SELECT * FROM incident_1d WHERE computed_at <= seen
    UNION ALL
    SELECT bucket, device_id, kind, severity, n, ended, acknowledged, resolved, false_alarms, alert_s, acknowledge_s,
           duration_s, revision, computed_at, frozen, ward_code, ward_from
    FROM incident_1d_revision WHERE computed_at <= seen AND replaced_at > seen
$$;

-- Where the incidents of each row of incident_1d stand in the wards of any day. Shares of one row add up to 1; rows of a
-- device that nobody can place, and of which the incidents have no place either, are missing.
CREATE FUNCTION incident_ward(day date)
RETURNS TABLE (device_id int, own_code text, own_from date, code text, valid_from date, share float8, method text)
LANGUAGE sql STABLE AS $$
    WITH heir AS (
        SELECT w.code AS own_code, w.valid_from AS own_from, w.code, w.valid_from, 1.0::float8 AS share, 'own place' AS method
        FROM ward w WHERE $1 >= w.valid_from AND $1 < w.valid_to
        UNION ALL
        SELECT s.own_code, s.own_from, s.code, s.valid_from,
               s.share / sum(s.share) OVER (PARTITION BY s.own_code, s.own_from), s.method
        FROM (
            SELECT old_code AS own_code, old_from AS own_from, new_code AS code, new_from AS valid_from, share, method
            FROM ward_successor
            UNION ALL
            SELECT new_code, new_from, old_code, old_from, share, 'estimate: the wards that became it, by their share'
            FROM ward_successor) s
        JOIN ward w ON w.code = s.code AND w.valid_from = s.valid_from AND $1 >= w.valid_from AND $1 < w.valid_to
    )
    SELECT told.device_id, h.own_code, h.own_from, h.code, h.valid_from, h.share,
           CASE WHEN w.rings IS NULL AND h.method = 'own place' THEN 'estimate: nearest centroid to its own place' ELSE h.method END
    FROM (SELECT DISTINCT device_id, ward_code, ward_from FROM incident_1d WHERE ward_code <> '') told
    JOIN heir h ON h.own_code = told.ward_code AND h.own_from = told.ward_from
    JOIN ward w ON w.code = h.code AND w.valid_from = h.valid_from
    UNION ALL
    SELECT p.device_id, '', NULL, p.code, p.valid_from, p.share, p.method FROM device_ward($1) p
$$;
COMMENT ON FUNCTION incident_ward IS 'In which wards of a day the incidents of incident_1d stand: their own place where they have one, else their device''s.';
