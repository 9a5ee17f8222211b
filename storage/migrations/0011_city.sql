-- What the rest of the house needs to know of the city: its name, time zone, languages, thresholds … as its file says.
CREATE TABLE city (
    key   text  PRIMARY KEY,
    value jsonb NOT NULL
);

-- Wards as they were and are: a code can be used again for another ward, so validity is part of the key.
CREATE TABLE ward (
    code       text   NOT NULL,
    name       text   NOT NULL,
    name_en    text,
    kind       text   NOT NULL,
    district   text,
    province   text   NOT NULL,
    latitude   float8 NOT NULL,
    longitude  float8 NOT NULL,
    area_km2   float8,
    valid_from date   NOT NULL DEFAULT '-infinity',
    valid_to   date   NOT NULL DEFAULT 'infinity',  -- the first day on which it no longer holds
    boundary   jsonb,                               -- GeoJSON geometry, where the city gives one
    PRIMARY KEY (code, valid_from),
    CHECK (valid_from < valid_to)
);

-- Which ward took over from which. share is the part of the old ward that went there: nobody publishes it, so it is an
-- estimate, and `method` says how it was made; the shares of one old ward add up to 1.
CREATE TABLE ward_successor (
    old_code   text   NOT NULL,
    old_from   date   NOT NULL,
    new_code   text   NOT NULL,
    new_from   date   NOT NULL,
    main       boolean NOT NULL,
    share      float8 NOT NULL CHECK (share > 0 AND share <= 1),
    method     text   NOT NULL,
    PRIMARY KEY (old_code, old_from, new_code, new_from),
    FOREIGN KEY (old_code, old_from) REFERENCES ward (code, valid_from) ON DELETE CASCADE,
    FOREIGN KEY (new_code, new_from) REFERENCES ward (code, valid_from) ON DELETE CASCADE
);
