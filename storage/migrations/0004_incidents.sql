CREATE TABLE incident (
    id          text COLLATE "C" PRIMARY KEY,
    device_id   int         NOT NULL REFERENCES device,
    rev         bigint      NOT NULL,
    kind        text        NOT NULL,
    state       text        NOT NULL,
    severity    text        NOT NULL,
    camera      text        NOT NULL,
    zone        text,
    started_at  timestamptz NOT NULL,
    decided_at  timestamptz NOT NULL,
    at          timestamptz NOT NULL,
    ended_at    timestamptz,
    confidence  float4      NOT NULL,
    place       jsonb       NOT NULL,
    latitude    float8,
    longitude   float8,
    why         jsonb       NOT NULL,
    tracks      int[]       NOT NULL,
    raised_from text,
    model       text,
    received    timestamptz NOT NULL,
    changed     timestamptz NOT NULL
);
CREATE INDEX incident_received ON incident (received DESC);
CREATE INDEX incident_started ON incident (started_at DESC);
COMMENT ON TABLE incident IS 'Each incident as known at its highest revision (events/incident.py).';
COMMENT ON COLUMN incident.id IS 'ULID, made at the edge.';
COMMENT ON COLUMN incident.state IS 'open, update or end, as the device says; what people did is in incident_action.';
COMMENT ON COLUMN incident.decided_at IS 'When the frame was captured that made it an incident: alert delay counts from there.';
COMMENT ON COLUMN incident.at IS 'The frame that this revision speaks of.';
COMMENT ON COLUMN incident.latitude IS 'On the ground where the camera is calibrated, else where the camera or its device stands.';
COMMENT ON COLUMN incident.received IS 'When its first revision to arrive was received.';
COMMENT ON COLUMN incident.changed IS 'When the present revision was received.';

CREATE TABLE incident_action (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id text COLLATE "C" NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    who         text        NOT NULL,
    action      text        NOT NULL CHECK (action IN ('acknowledge', 'assign', 'resolve', 'false_alarm', 'note')),
    note        text,
    assignee    text
);
CREATE INDEX incident_action_incident ON incident_action (incident_id, id);
COMMENT ON TABLE incident_action IS 'What people did about incidents. Rows are only ever added.';

-- The payload is the bare id: listeners read the row, so that what they show is what is committed.
CREATE FUNCTION notify_incident_action() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('incident', NEW.incident_id);
    RETURN NULL;
END $$;
CREATE TRIGGER incident_action_notifies AFTER INSERT ON incident_action
    FOR EACH ROW EXECUTE FUNCTION notify_incident_action();

CREATE TABLE evidence (
    at          timestamptz NOT NULL,
    received    timestamptz NOT NULL,
    device_id   int         NOT NULL,
    incident_id text COLLATE "C" NOT NULL,
    camera      text        NOT NULL,
    role        text        NOT NULL,
    media_type  text        NOT NULL,
    sha256      bytea       NOT NULL,
    data        bytea       NOT NULL
);
-- JPEG and MP4 do not get smaller: trying costs more than the copy.
ALTER TABLE evidence ALTER COLUMN data SET STORAGE EXTERNAL;
SELECT create_hypertable('evidence', by_range('received', interval '1 day'), create_default_indexes => false);
CREATE INDEX evidence_incident ON evidence (incident_id, role);
COMMENT ON TABLE evidence IS 'Stills and clips of incidents, blurred at the edge. By time of receipt: chunks expire whole.';
COMMENT ON COLUMN evidence.at IS 'When the still was captured, or the clip begins.';
COMMENT ON COLUMN evidence.role IS 'still or clip.';
COMMENT ON COLUMN evidence.sha256 IS 'Of data.';

CREATE TABLE camera_health (
    id        text COLLATE "C" PRIMARY KEY,
    rev       bigint      NOT NULL,
    device_id int         NOT NULL REFERENCES device,
    subject   text        NOT NULL,
    name      text        NOT NULL,
    condition text        NOT NULL,
    state     text        NOT NULL,
    since     timestamptz NOT NULL,
    until     timestamptz,
    why       jsonb       NOT NULL,
    received  timestamptz NOT NULL
);
CREATE INDEX camera_health_device ON camera_health (device_id, name, since DESC);
COMMENT ON TABLE camera_health IS 'Cameras and sensors that should not be trusted from since until until (NULL: still), highest revision.';
