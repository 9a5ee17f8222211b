-- What the database holds of each stream, and what it does not. A stream is one kind of message from one run of one
-- agent, numbered 1, 2, 3 …, so that a set of numbers is nearly always one range.
CREATE TABLE ledger (
    stream     text COLLATE "C" PRIMARY KEY,
    device_id  int            NOT NULL REFERENCES device,
    kind       text           NOT NULL DEFAULT '',
    received   int8multirange NOT NULL DEFAULT '{}',
    given_up   int8multirange NOT NULL DEFAULT '{}',
    discarded  int8multirange NOT NULL DEFAULT '{}',
    announced  bigint         NOT NULL DEFAULT 0,
    open_since timestamptz,
    first_seen timestamptz    NOT NULL DEFAULT now(),
    last_seen  timestamptz    NOT NULL DEFAULT now()
) WITH (
    -- Rewritten with every batch: room for the next version on the same page keeps the one index still (HOT).
    fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000
);
CREATE INDEX ledger_device ON ledger (device_id);
COMMENT ON TABLE ledger IS 'Streams with unfinished business: which numbers are stored, and which never will be.';
COMMENT ON COLUMN ledger.stream IS 'ULID made at the start of the agent''s run. It belongs to the device that first used it.';
COMMENT ON COLUMN ledger.kind IS 'Kind of message; empty until the first one came.';
COMMENT ON COLUMN ledger.received IS 'Numbers whose messages are stored, or kept in rejected.';
COMMENT ON COLUMN ledger.given_up IS 'Numbers that the agent says it will never send again; why is in given_up_range.';
COMMENT ON COLUMN ledger.discarded IS 'Numbers that came, could not be understood, and exceeded what rejected keeps for a device.';
COMMENT ON COLUMN ledger.announced IS 'Last number that the agent has given, as its status says.';
COMMENT ON COLUMN ledger.open_since IS 'Since when a status has found numbers missing; NULL: at the last status nothing was.';

CREATE TABLE given_up_range (
    stream    text COLLATE "C" NOT NULL,
    range     int8range   NOT NULL,
    device_id int         NOT NULL REFERENCES device,
    reason    text        NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, range)
);
COMMENT ON TABLE given_up_range IS 'Why an agent gave up messages: evicted, refused, too_large, torn, expired.';

-- A run that is over and complete needs no multirange: its last number says it all.
CREATE TABLE ledger_folded (
    stream     text COLLATE "C" PRIMARY KEY,
    device_id  int            NOT NULL REFERENCES device,
    kind       text           NOT NULL,
    last       bigint         NOT NULL,
    given_up   int8multirange NOT NULL DEFAULT '{}',
    discarded  int8multirange NOT NULL DEFAULT '{}',
    first_seen timestamptz    NOT NULL,
    last_seen  timestamptz    NOT NULL,
    folded_at  timestamptz    NOT NULL DEFAULT now()
);
CREATE INDEX ledger_folded_lossy ON ledger_folded (stream) WHERE given_up <> '{}' OR discarded <> '{}';
COMMENT ON TABLE ledger_folded IS 'Finished streams: all numbers up to last are stored, but those given up or discarded.';

CREATE VIEW gap AS
    WITH hole AS (
        SELECT stream, device_id, kind, coalesce(open_since, last_seen) AS since,
               int8multirange(int8range(1, greatest(announced + 1, upper(received), 1)))
                   - received - given_up - discarded AS numbers
        FROM ledger
    ), discarded AS (
        SELECT stream, device_id, kind, last_seen AS since, discarded AS numbers FROM ledger WHERE discarded <> '{}'
        UNION ALL
        SELECT stream, device_id, kind, last_seen, discarded FROM ledger_folded WHERE discarded <> '{}'
    ), given_up AS (
        SELECT g.stream, g.device_id, coalesce(l.kind, f.kind) AS kind, g.at AS since, g.reason,
               int8multirange(g.range) * coalesce(l.given_up - l.received, f.given_up) AS numbers
        FROM given_up_range g LEFT JOIN ledger l USING (stream) LEFT JOIN ledger_folded f USING (stream)
    ), missing AS (
        SELECT stream, device_id, kind, since, numbers, false AS explained, 'not received' AS reason FROM hole
        UNION ALL
        SELECT stream, device_id, kind, since, numbers, true, 'discarded' FROM discarded
        UNION ALL
        SELECT stream, device_id, kind, since, numbers, true, reason FROM given_up
    )
    SELECT device.name AS device, kind, stream, lower(r) AS first, upper(r) - 1 AS last, upper(r) - lower(r) AS messages,
           since, explained, reason
    FROM missing CROSS JOIN unnest(numbers) AS r JOIN device ON device.id = device_id;
COMMENT ON VIEW gap IS 'What the database has not got: messages first … last of a stream, since when it is known, and why where that is known.';

CREATE TABLE rejected (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received     timestamptz NOT NULL,
    device       text COLLATE "C" NOT NULL,
    topic        text        NOT NULL,
    stream       text COLLATE "C",
    seq          bigint,
    content_type text,
    properties   jsonb       NOT NULL DEFAULT '[]',
    reason       text        NOT NULL,
    detail       text        NOT NULL,
    payload      bytea       NOT NULL
);
CREATE INDEX rejected_device ON rejected (device, id);
COMMENT ON TABLE rejected IS 'Messages that could not be stored, as they came. `ngatu rejected replay` tries again after a fix.';
COMMENT ON COLUMN rejected.device IS 'As in the topic; empty where the topic names none.';
COMMENT ON COLUMN rejected.properties IS 'MQTT user properties, as [[name, value], …].';
COMMENT ON COLUMN rejected.reason IS 'A short code; detail says it to a person.';

CREATE TABLE rejected_tally (
    device    text COLLATE "C" NOT NULL,
    reason    text        NOT NULL,
    messages  bigint      NOT NULL DEFAULT 0,
    discarded bigint      NOT NULL DEFAULT 0,
    last_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device, reason)
);
COMMENT ON TABLE rejected_tally IS 'How many messages of each device were rejected, ever, and how many of them were too many to keep.';
