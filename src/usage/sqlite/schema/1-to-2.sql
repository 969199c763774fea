CREATE TABLE requests_2 (
  number     INTEGER PRIMARY KEY,   -- x-moonrelay-request-id: printf('%016x', number)
  at         INTEGER GENERATED ALWAYS AS (number >> 11) VIRTUAL,  -- when it came
  client     TEXT NOT NULL,
  requested  TEXT NOT NULL,         -- the model that was asked for
  face       TEXT NOT NULL,         -- the client's protocol
  called     TEXT,                  -- the protocol of the target that answered
  answered   TEXT,                  -- provider/model
  streamed   INTEGER NOT NULL,
  thinking   TEXT,
  outcome    TEXT NOT NULL,         -- ok, abandoned, or why it failed
  first_byte INTEGER,               -- from the request read
  took       INTEGER NOT NULL,
  rules      TEXT,                  -- JSON array of the dialect rules that changed it
  dropped    TEXT                   -- JSON array of what another face could not say
) STRICT;

-- Ids were random at first: each request gets one anew, of the moment that was kept, or the next that is free. A moment
-- that no clock tells until 2041 is of one that was wrong.
CREATE TABLE renumbered (before INTEGER PRIMARY KEY, number INTEGER NOT NULL) STRICT;

INSERT INTO renumbered
  SELECT before, place + max(least - place) OVER (ORDER BY place)
  FROM (SELECT number AS before, max(0, min(at, 1 << 51)) << 11 AS least, row_number() OVER (ORDER BY at, number) AS place
    FROM requests);

INSERT INTO requests_2 (number, client, requested, face, called, answered, streamed, thinking, outcome, first_byte, took,
    rules, dropped)
  SELECT renumbered.number, client, requested, face, called, answered, streamed, thinking, outcome, first_byte, took, rules,
    dropped
  FROM renumbered JOIN requests ON requests.number = before ORDER BY renumbered.number;

-- In two steps: a new number may be an old one of another request.
DELETE FROM attempts WHERE request NOT IN (SELECT before FROM renumbered);
UPDATE attempts SET request = -1 - (SELECT number FROM renumbered WHERE before = request);
UPDATE attempts SET request = -1 - request;

DROP TABLE renumbered;
DROP TABLE requests;
ALTER TABLE requests_2 RENAME TO requests;
