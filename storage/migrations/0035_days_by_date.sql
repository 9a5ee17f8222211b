-- Which days have aggregates, and whether one of them is still without a score, is asked after each run.
CREATE INDEX reading_1d_bucket ON reading_1d (bucket);
CREATE INDEX traffic_1d_bucket ON traffic_1d (bucket);
