-- People of the console. A password is kept as argon2id, a session or token only as its SHA-256: whoever reads
-- the database cannot log in with what stands in it.
CREATE TABLE console_user (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    role text NOT NULL CHECK (role IN ('operator', 'planner', 'admin')),
    password text NOT NULL,
    disabled boolean NOT NULL DEFAULT false,
    created timestamptz NOT NULL DEFAULT now()
);

-- A browser's session and a program's bearer token differ only in how long they live.
CREATE TABLE console_key (
    sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
    user_id int NOT NULL REFERENCES console_user ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('session', 'token')),
    label text NOT NULL DEFAULT '',
    created timestamptz NOT NULL DEFAULT now(),
    expires timestamptz NOT NULL
);
CREATE INDEX ON console_key (user_id);
CREATE INDEX ON console_key (expires);

-- A click on the wrong alert can be taken back; both stay in the history.
ALTER TABLE incident_action DROP CONSTRAINT incident_action_action_check;
ALTER TABLE incident_action ADD CONSTRAINT incident_action_action_check
    CHECK (action IN ('acknowledge', 'assign', 'resolve', 'false_alarm', 'reopen', 'note'));

-- Whoever was away asks for what changed since.
CREATE INDEX incident_action_at ON incident_action (at DESC);
CREATE INDEX incident_changed ON incident (changed DESC);
