-- Every column that planners meet says what it is: docs/data.md is made of these comments (`ngatu tables`).
COMMENT ON COLUMN device.id IS 'What other tables call it by.';
COMMENT ON COLUMN device.first_seen IS 'When it was first heard, by the database''s clock.';
COMMENT ON COLUMN device.about_at IS 'When it described itself.';
COMMENT ON COLUMN device.latitude IS 'WGS 84 degrees, as the device says; NULL: it does not.';
COMMENT ON COLUMN device.longitude IS 'WGS 84 degrees.';
COMMENT ON COLUMN device.online IS 'Whether it is connected, as its last status or its last will says.';
COMMENT ON COLUMN device.status_n IS 'See status_connection.';
COMMENT ON COLUMN device.status_at IS 'When that status was made, by the device''s clock.';
COMMENT ON COLUMN series.id IS 'What readings and aggregates call it by.';
COMMENT ON COLUMN series.device_id IS 'Whose it is: device.id.';
COMMENT ON COLUMN series.name IS 'As the device names it: air/pm2_5, detector/1234/volume, cpu/load1 …';
COMMENT ON COLUMN series.description IS 'What the device says of it.';
COMMENT ON COLUMN series.longitude IS 'See latitude.';
COMMENT ON COLUMN series.first_seen IS 'When it was first declared or measured, by the database''s clock; from then on values are due.';
COMMENT ON COLUMN state.at IS 'When it was so, by the sensor''s clock.';
COMMENT ON COLUMN state.received IS 'When ingest received the message that carried it.';
COMMENT ON COLUMN state.series_id IS 'Of what: series.id.';
COMMENT ON COLUMN state.quality IS 'Bits, as in reading.';
COMMENT ON COLUMN state.value IS 'A string or a boolean; NULL: see data.';
COMMENT ON COLUMN state.data IS 'Bytes; NULL: see value.';
COMMENT ON COLUMN traffic.received IS 'When ingest received the message that carried it.';
COMMENT ON COLUMN traffic.device_id IS 'Whose camera: device.id.';
COMMENT ON COLUMN traffic.camera IS 'The camera''s name, as its device names it.';
COMMENT ON COLUMN traffic.zone IS 'The zone of its picture: a gate, a lane, a road.';
COMMENT ON COLUMN traffic.class IS 'car, motorcycle, bus, truck, bicycle, person; empty where nothing passed.';
COMMENT ON COLUMN traffic.direction IS 'As the zone names it: in, out …; any where it has none.';
COMMENT ON COLUMN incident.device_id IS 'Who saw it: device.id.';
COMMENT ON COLUMN incident.rev IS 'Revision: grows with each change that the device reports.';
COMMENT ON COLUMN incident.kind IS 'stopped_vehicle, wrong_way, collision, near_miss, pedestrian_on_road, speeding, illegal_uturn, illegal_parking, debris, congestion; object_detected and citizen_report come from elsewhere.';
COMMENT ON COLUMN incident.severity IS 'info, minor, major or critical.';
COMMENT ON COLUMN incident.camera IS 'The camera that saw it.';
COMMENT ON COLUMN incident.zone IS 'The zone of its picture.';
COMMENT ON COLUMN incident.started_at IS 'When it began: days are counted by it.';
COMMENT ON COLUMN incident.ended_at IS 'When it ended; NULL: it goes on, or its end was not told.';
COMMENT ON COLUMN incident.confidence IS 'How sure the device is, 0 to 1.';
COMMENT ON COLUMN incident.place IS 'Where in the picture, pixels.';
COMMENT ON COLUMN incident.longitude IS 'See latitude.';
COMMENT ON COLUMN incident.why IS 'What made it one: seconds, speed, limit …; no person and no plate.';
COMMENT ON COLUMN incident.tracks IS 'Numbers of the tracks in that camera and run; they mean nothing outside it, and are never published.';
COMMENT ON COLUMN incident.raised_from IS 'The kind it was first taken for.';
COMMENT ON COLUMN incident.model IS 'The detector that saw it.';
COMMENT ON COLUMN incident_action.id IS 'In the order in which they were done.';
COMMENT ON COLUMN incident_action.incident_id IS 'About what: incident.id.';
COMMENT ON COLUMN incident_action.at IS 'When.';
COMMENT ON COLUMN incident_action.who IS 'Name of the user of the console.';
COMMENT ON COLUMN incident_action.action IS 'acknowledge, assign, resolve, false_alarm, reopen or note.';
COMMENT ON COLUMN incident_action.note IS 'What they wrote.';
COMMENT ON COLUMN incident_action.assignee IS 'To whom it was given.';
COMMENT ON COLUMN evidence.received IS 'When ingest received it.';
COMMENT ON COLUMN evidence.device_id IS 'Who made it: device.id.';
COMMENT ON COLUMN evidence.incident_id IS 'Of what: incident.id.';
COMMENT ON COLUMN evidence.camera IS 'The camera.';
COMMENT ON COLUMN evidence.media_type IS 'image/jpeg or video/mp4.';
COMMENT ON COLUMN evidence.data IS 'The file itself. Never published.';
COMMENT ON COLUMN camera_health.id IS 'ULID, made at the edge.';
COMMENT ON COLUMN camera_health.rev IS 'Revision: the highest holds.';
COMMENT ON COLUMN camera_health.device_id IS 'Whose: device.id.';
COMMENT ON COLUMN camera_health.subject IS 'camera or sensor.';
COMMENT ON COLUMN camera_health.name IS 'The camera''s or the series'' name.';
COMMENT ON COLUMN camera_health.condition IS 'frozen, dark, blurred, covered, moved, no_signal, wrong_clock, stuck or slow.';
COMMENT ON COLUMN camera_health.state IS 'raised or cleared.';
COMMENT ON COLUMN camera_health.since IS 'Since when it should not be trusted.';
COMMENT ON COLUMN camera_health.until IS 'Until when; NULL: still.';
COMMENT ON COLUMN camera_health.why IS 'What it was seen by.';
COMMENT ON COLUMN camera_health.received IS 'When ingest received it.';
COMMENT ON COLUMN reading.series_id IS 'Of what: series.id.';
COMMENT ON COLUMN reading_15m.series_id IS 'Of what: series.id.';
COMMENT ON COLUMN reading_15m.mean IS 'Arithmetic mean, in the series'' unit.';
COMMENT ON COLUMN reading_15m.minimum IS 'Lowest reading.';
COMMENT ON COLUMN reading_15m.maximum IS 'Highest reading.';
COMMENT ON COLUMN reading_15m.p95 IS '95th percentile, interpolated.';
COMMENT ON COLUMN reading_15m.computed_at IS 'When this number was computed.';
COMMENT ON TABLE traffic_15m IS 'Traffic of each zone, class and direction in each 15 minutes of UTC; class '''' and direction '''' is the zone as a whole. traffic_1h: hours of UTC; traffic_1d: the city''s days.';
COMMENT ON COLUMN traffic_15m.bucket IS 'When the bucket begins.';
COMMENT ON COLUMN traffic_15m.device_id IS 'Whose camera: device.id.';
COMMENT ON COLUMN traffic_15m.camera IS 'The camera''s name, as its device names it.';
COMMENT ON COLUMN traffic_15m.zone IS 'The zone of its picture.';
COMMENT ON COLUMN traffic_15m.class IS 'car, motorcycle, bus, truck, bicycle, person; '''': all together.';
COMMENT ON COLUMN traffic_15m.direction IS 'As the zone names it; '''': all together.';
COMMENT ON COLUMN traffic_15m.queue_m IS 'Longest standing queue, metres; NULL where the camera is not calibrated.';
COMMENT ON COLUMN traffic_15m.coverage IS 'Share of the bucket that was observed: count / coverage estimates what passed in all of it.';
COMMENT ON COLUMN traffic_15m.revision IS '1 when first published; earlier numbers stand in traffic_15m_revision, and traffic_15m_as_of(t) gives what was seen then.';
COMMENT ON COLUMN traffic_15m.computed_at IS 'When this number was computed.';
COMMENT ON COLUMN traffic_15m.frozen IS 'The raw rows are gone: this number stays.';
COMMENT ON COLUMN incident_1d.device_id IS 'Who saw them: device.id.';
COMMENT ON COLUMN incident_1d.kind IS 'As in incident.';
COMMENT ON COLUMN incident_1d.severity IS 'As in incident.';
COMMENT ON COLUMN incident_1d.n IS 'How many began that day, false alarms among them.';
COMMENT ON COLUMN incident_1d.resolved IS 'How many somebody has resolved.';
COMMENT ON COLUMN incident_1d.false_alarms IS 'How many somebody has called a false alarm.';
COMMENT ON COLUMN incident_1d.revision IS '1 when first counted; earlier numbers stand in incident_1d_revision.';
COMMENT ON COLUMN incident_1d.computed_at IS 'When this number was counted.';
COMMENT ON COLUMN incident_1d.frozen IS 'Some of the incidents are gone: this number stays.';
COMMENT ON COLUMN quality_1d.day IS 'One of the city''s days.';
COMMENT ON COLUMN quality_1d.device_id IS 'Of what: device.id.';
COMMENT ON COLUMN quality_1d.explained IS 'Messages given up by the device or discarded here that became known that day: the reason is in gap.';
COMMENT ON COLUMN quality_1d.revision IS '1 when first scored; grows when the day is scored again and comes out otherwise.';
COMMENT ON COLUMN quality_1d.computed_at IS 'When the day was last scored.';
COMMENT ON COLUMN shared_1d.day IS 'One of the city''s days.';
COMMENT ON COLUMN shared_1d.device_id IS 'Of what: device.id.';
COMMENT ON COLUMN shared_1d.shared_at IS 'When its day was first published; NULL: it is not.';
COMMENT ON COLUMN shared_1d.days IS 'Days from the day''s end until then.';
COMMENT ON COLUMN publication.day IS 'One of the city''s days.';
COMMENT ON COLUMN publication.dataset IS 'readings, traffic, incidents, quality or devices.';
COMMENT ON COLUMN publication.revision IS 'Issue of that day: the highest holds, the earlier ones stay in the folder.';
COMMENT ON COLUMN publication.sha256 IS 'Of its CSV; NULL: the dataset was withheld.';
COMMENT ON COLUMN publication.rows IS 'How many.';
COMMENT ON COLUMN publication.withheld IS 'What was left out and why, a line each.';
COMMENT ON COLUMN publication.published_at IS 'When.';
COMMENT ON COLUMN ward.code IS 'Official code.';
COMMENT ON COLUMN ward.name IS 'In Vietnamese.';
COMMENT ON COLUMN ward.name_en IS 'In Latin letters without marks.';
COMMENT ON COLUMN ward.kind IS 'ward, commune or town.';
COMMENT ON COLUMN ward.district IS 'The district it belonged to; NULL since July 2025, when districts ended.';
COMMENT ON COLUMN ward.province IS 'The province or city.';
COMMENT ON COLUMN ward.latitude IS 'Of its centroid, WGS 84 degrees.';
COMMENT ON COLUMN ward.longitude IS 'Of its centroid.';
COMMENT ON COLUMN ward.rings IS 'Its polygons, where the city gives them; NULL: a place belongs to the nearest centroid, which is an estimate.';
COMMENT ON COLUMN ward_successor.old_code IS 'The ward that ended.';
COMMENT ON COLUMN ward_successor.old_from IS 'Its valid_from.';
COMMENT ON COLUMN ward_successor.new_code IS 'The ward that took over from it, all or part.';
COMMENT ON COLUMN ward_successor.new_from IS 'Its valid_from.';
COMMENT ON COLUMN ward_successor.share IS 'Part of the old ward that went there; those of one old ward add up to 1.';
COMMENT ON COLUMN ward_successor.method IS 'How the share is known; one that begins with `estimate` is no more than that.';
COMMENT ON COLUMN city.key IS 'As in the city file.';
COMMENT ON COLUMN city.value IS 'As in the city file.';
COMMENT ON COLUMN gap.device IS 'Whose messages.';
COMMENT ON COLUMN gap.kind IS 'readings, traffic, incident …';
COMMENT ON COLUMN gap.stream IS 'One kind of message of one run of its agent.';
COMMENT ON COLUMN gap.first IS 'First number that is missing.';
COMMENT ON COLUMN gap.last IS 'Last number that is missing.';
COMMENT ON COLUMN gap.messages IS 'How many.';
COMMENT ON COLUMN gap.since IS 'Since when it is known.';
COMMENT ON COLUMN gap.explained IS 'Whether we know why.';
COMMENT ON COLUMN gap.reason IS 'evicted, refused, too_large, torn, expired, discarded; not received: no explanation.';

-- What is like another table says so, column by column: copies made by LIKE before their model had its comments.
DO $$
DECLARE
    model   regclass;
    copy    text;
    meaning text;
    field   record;
BEGIN
    FOR model, copy, meaning IN
        SELECT (s || '_15m')::regclass, s || t.tail, format(t.meaning, s)
        FROM unnest(ARRAY['reading', 'traffic']) s,
             (VALUES ('_1h', 'As %s_15m, by hours of UTC.'), ('_1d', 'As %s_15m, by the city''s days.'),
                     ('_15m_revision', 'Earlier numbers of %s_15m, and when each was replaced.'),
                     ('_1h_revision', 'Earlier numbers of %s_1h, and when each was replaced.'),
                     ('_1d_revision', 'Earlier numbers of %s_1d, and when each was replaced.')) t (tail, meaning)
        UNION ALL VALUES ('incident_1d'::regclass, 'incident_1d_revision', 'Earlier numbers of incident_1d, and when each was replaced.'),
                         ('reading'::regclass, 'any_reading', NULL), ('reading'::regclass, 'misdated_reading', NULL),
                         ('reading'::regclass, 'foreign_reading', NULL), ('traffic'::regclass, 'misdated_traffic', NULL)
    LOOP
        IF meaning IS NOT NULL THEN
            EXECUTE format('COMMENT ON TABLE %I IS %L', copy, meaning);
        END IF;
        FOR field IN
            SELECT attname, col_description(model, attnum) AS told FROM pg_attribute
            WHERE attrelid = model AND attnum > 0 AND NOT attisdropped
        LOOP
            IF field.told IS NOT NULL THEN
                EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', copy, field.attname,
                               replace(field.told, model::text || '_', regexp_replace(copy, '_revision$', '') || '_'));
            END IF;
        END LOOP;
        IF copy LIKE '%\_revision' THEN
            EXECUTE format('COMMENT ON COLUMN %I.replaced_at IS %L', copy, 'When the next number took its place.');
        END IF;
    END LOOP;
END $$;
COMMENT ON TABLE console_user IS 'Who may log in to the console.';
COMMENT ON TABLE console_key IS 'Sessions and tokens of the console, as SHA-256.';
