-- Whether the aggregates keep up can be asked of the database, also when Airflow is down; what Airflow itself noticed is
-- kept beside, so that operators need not look there.
CREATE TABLE dag_alarm (
    id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    kind   text        NOT NULL CHECK (kind IN ('failed', 'overdue')),
    dag    text        NOT NULL,
    task   text,
    run    text        NOT NULL,
    detail text        NOT NULL
);
CREATE INDEX dag_alarm_at ON dag_alarm (at DESC);
COMMENT ON TABLE dag_alarm IS 'Runs of DAGs that failed for good, or were not done by their deadline.';
COMMENT ON COLUMN dag_alarm.task IS 'Which task failed; NULL: the run as a whole was overdue.';
COMMENT ON COLUMN dag_alarm.detail IS 'What the task said, or how long the run may take.';

-- A bucket is computed when the run after its end has come: its length, a quarter of an hour and the grace, then its work.
CREATE VIEW aggregate_lag AS
    SELECT source, level, computed_until AS done_until, now() - computed_until AS behind,
           now() - coalesce(computed_until, '-infinity') > CASE level
               WHEN '15m' THEN interval '45 minutes' WHEN '1h' THEN interval '90 minutes' ELSE interval '26 hours' END
               AS overdue
    FROM closing
    UNION ALL
    SELECT source, 'late', min(marked_at), now() - min(marked_at), now() - min(marked_at) > interval '10 minutes'
    FROM (SELECT source, marked_at FROM late_mark UNION ALL SELECT source, marked_at FROM late_work) marks
    GROUP BY source;
COMMENT ON VIEW aggregate_lag IS 'How far each level of each source is behind, and late rows not yet worked off; overdue: somebody should look.';
COMMENT ON COLUMN dag_alarm.id IS 'In the order in which they came.';
COMMENT ON COLUMN dag_alarm.at IS 'When Airflow noticed.';
COMMENT ON COLUMN dag_alarm.kind IS 'failed: after its last retry. overdue: not done by its deadline, and perhaps still running.';
COMMENT ON COLUMN dag_alarm.dag IS 'Which DAG.';
COMMENT ON COLUMN dag_alarm.run IS 'Which of its runs, as Airflow names it.';
COMMENT ON COLUMN aggregate_lag.source IS 'reading or traffic.';
COMMENT ON COLUMN aggregate_lag.level IS '15m, 1h, 1d, or late: rows that came late and are not worked off.';
COMMENT ON COLUMN aggregate_lag.done_until IS 'All buckets before this are computed; of late: when the oldest row came.';
COMMENT ON COLUMN aggregate_lag.behind IS 'How long ago that was.';
COMMENT ON COLUMN aggregate_lag.overdue IS 'More than a healthy night or a busy hour explains.';
