-- What planners saw of a day's incidents at that moment, as reading_15m_as_of and its kin tell for the others.
CREATE INDEX ON incident_1d_revision (device_id, bucket);
DO $$
DECLARE
    columns text;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
    FROM pg_attribute WHERE attrelid = 'incident_1d'::regclass AND attnum > 0 AND NOT attisdropped;
    EXECUTE format(
        'CREATE FUNCTION incident_1d_as_of(seen timestamptz) RETURNS SETOF incident_1d LANGUAGE sql STABLE AS $f$'
        ' SELECT %1$s FROM incident_1d WHERE computed_at <= seen'
        ' UNION ALL SELECT %1$s FROM incident_1d_revision WHERE computed_at <= seen AND replaced_at > seen $f$', columns);
END $$;
