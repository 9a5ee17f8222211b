-- One event that two cameras saw is two incidents, one a camera, and a link between them.
CREATE TABLE incident_link (
    incident_id text COLLATE "C" NOT NULL REFERENCES incident ON DELETE CASCADE,
    other_id    text COLLATE "C" NOT NULL REFERENCES incident ON DELETE CASCADE,
    metres      float4      NOT NULL,
    reach       float4      NOT NULL,
    seconds     float4      NOT NULL,
    made        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (incident_id, other_id),
    CHECK (incident_id < other_id)
);
CREATE INDEX incident_link_other ON incident_link (other_id);
COMMENT ON TABLE incident_link IS 'Incidents of two calibrated cameras that are the same event (storage/incident_links.py).';
COMMENT ON COLUMN incident_link.metres IS 'Between the places that the two cameras told.';
COMMENT ON COLUMN incident_link.reach IS 'How far apart they might have been, by the error that each camera told.';
COMMENT ON COLUMN incident_link.seconds IS 'Between their beginnings.';
