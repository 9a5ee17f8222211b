-- After 0090, which a database that is made anew runs last.
COMMENT ON COLUMN incident_1d.false_alarms IS 'How many stand as a false alarm: those that were reopened since, or acknowledged or resolved, do not.';
COMMENT ON COLUMN incident_1d_revision.false_alarms IS 'How many stood as a false alarm then.';
