-- Weekly and monthly reports of wards: each issue keeps its numbers and its files, so that an issue that was corrected
-- can still be read as planners read it then. Files stand here too: the console serves them wherever Airflow runs, and
-- they are backed up with everything else.
CREATE TABLE report_issue (
    kind       text        NOT NULL CHECK (kind IN ('week', 'month')),
    start      date        NOT NULL,
    ward_code  text        NOT NULL,
    ward_from  date        NOT NULL,
    revision   int         NOT NULL,
    digest     text        NOT NULL,
    as_of      timestamptz,
    facts      jsonb       NOT NULL,
    issued_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, start, ward_code, ward_from, revision)
);
CREATE TABLE report_file (
    kind       text  NOT NULL,
    start      date  NOT NULL,
    ward_code  text  NOT NULL,
    ward_from  date  NOT NULL,
    revision   int   NOT NULL,
    language   text  NOT NULL CHECK (language IN ('vi', 'en')),
    format     text  NOT NULL CHECK (format IN ('html', 'pdf')),
    sha256     text  NOT NULL,
    data       bytea NOT NULL,
    PRIMARY KEY (kind, start, ward_code, ward_from, revision, language, format),
    FOREIGN KEY (kind, start, ward_code, ward_from, revision) REFERENCES report_issue ON DELETE CASCADE
);
-- When a period was last looked through: it is due again once a number of it is younger.
CREATE TABLE report_checked (
    kind       text        NOT NULL,
    start      date        NOT NULL,
    checked_at timestamptz NOT NULL,
    PRIMARY KEY (kind, start)
);
-- Which devices' days may be told of a ward: those that were well; share: the part of the device that stands in it.
CREATE FUNCTION ward_well(code text, valid_from date, wards_of date, first date, after date)
RETURNS TABLE (device_id int, day date, share float8)
LANGUAGE sql STABLE AS $$
    SELECT q.device_id, q.day, p.share
    FROM (SELECT d.device_id, sum(d.share) AS share FROM device_ward($3) d
          WHERE d.code = $1 AND d.valid_from = $2 GROUP BY 1) p
    JOIN quality_1d q USING (device_id) WHERE q.well AND q.day >= $4 AND q.day < $5
$$;

COMMENT ON TABLE report_issue IS 'Reports of wards: each issue with its numbers; the highest revision holds, the earlier ones stay.';
COMMENT ON COLUMN report_issue.start IS 'First day: a Monday, or the first of a month.';
COMMENT ON COLUMN report_issue.ward_from IS 'First day on which that ward held: a code may be used again.';
COMMENT ON COLUMN report_issue.digest IS 'SHA-256 of the numbers: the same numbers make no new issue.';
COMMENT ON COLUMN report_issue.as_of IS 'When the youngest number in it was computed; NULL: there was none.';
COMMENT ON TABLE report_file IS 'The files of each issue, by language and format.';
COMMENT ON TABLE report_checked IS 'When each period''s reports were last compared with the aggregates.';
