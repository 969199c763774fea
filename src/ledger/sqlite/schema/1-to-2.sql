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

-- Ids were random at first: each request gets one anew, of the moment that was kept.
CREATE TABLE renumbered (before INTEGER PRIMARY KEY, number INTEGER NOT NULL) STRICT;

INSERT INTO renumbered
  SELECT number, (min(at, (1 << 52) - 1) << 11) + row_number() OVER (PARTITION BY at ORDER BY number) - 1 FROM requests;

INSERT INTO requests_2 (number, client, requested, face, called, answered, streamed, thinking, outcome, first_byte, took,
    rules, dropped)
  SELECT renumbered.number, client, requested, face, called, answered, streamed, thinking, outcome, first_byte, took, rules,
    dropped
  FROM renumbered JOIN requests ON requests.number = before ORDER BY renumbered.number;

DELETE FROM attempts WHERE request NOT IN (SELECT before FROM renumbered);
UPDATE attempts SET request = (SELECT number FROM renumbered WHERE before = request);

DROP TABLE renumbered;
DROP TABLE requests;
ALTER TABLE requests_2 RENAME TO requests;
