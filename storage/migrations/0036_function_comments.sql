-- What the functions are that planners call, for docs/data.md; and two tables whose comments were short of the truth.
COMMENT ON FUNCTION ward_at IS 'The ward in which a place lies on a day, how that is known, and how far its centroid is; among: only these codes come into question.';
COMMENT ON FUNCTION device_ward IS 'Which ward each device stands in, in the wards of any day, and how that is known. Shares of one device add up to 1; a device that names no ward and has no position is missing.';
COMMENT ON FUNCTION incident_1d_as_of IS 'incident_1d as it stood at that moment.';
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['reading_15m', 'reading_1h', 'reading_1d', 'traffic_15m', 'traffic_1h', 'traffic_1d'] LOOP
        EXECUTE format('COMMENT ON FUNCTION %I IS %L', name || '_as_of', name || ' as it stood at that moment.');
    END LOOP;
END $$;
COMMENT ON VIEW any_reading IS 'Measurements of all devices, with a plausible time. It opens the whole history whatever time is asked for: of a few days, ask reading (our agents) and foreign_reading (all others).';
COMMENT ON TABLE quality_1d IS 'How good each device''s data of each of the city''s days is. The fifth word, shared, is in shared_1d.';
COMMENT ON COLUMN measured.measure_id IS 'Number of the measure: measure.id.';
COMMENT ON COLUMN measured.quantity IS 'value: mean of a series; volume: motor vehicles an hour; speed: their space-mean speed.';
COMMENT ON COLUMN measured.series_id IS 'The series, where it is one: series.id.';
COMMENT ON COLUMN measured.device_id IS 'Whose: device.id.';
COMMENT ON COLUMN measured.device IS 'Its name.';
COMMENT ON COLUMN measured.camera IS 'Name of the camera; NULL for a series.';
COMMENT ON COLUMN measured.zone IS 'Name of the zone in its picture; NULL for a series.';
COMMENT ON COLUMN measured.name IS 'The series'' name, or camera/zone.';
COMMENT ON COLUMN measured.unit IS 'Of value and expected: the series'' unit, /h or m/s.';
COMMENT ON COLUMN incident_link.incident_id IS 'One of the two: incident.id.';
COMMENT ON COLUMN incident_link.other_id IS 'The other: incident.id.';
COMMENT ON COLUMN incident_link.made IS 'When they were found to be one.';
COMMENT ON TABLE incident_link IS 'Incidents of two calibrated cameras that are the same event, by kind, time and place. Each counts by itself in incident_1d.';
