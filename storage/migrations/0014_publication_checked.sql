-- A day that was scored again and comes out the same makes no new issue, and need not be looked at every hour.
ALTER TABLE publication ADD COLUMN checked_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN publication.checked_at IS 'When the day was last compared with what is published.';
