-- Moments and durations in microseconds (moments since 1970, UTC), money in millionths of millionths of a unit.
-- A request's id is its number and contains its time. Requests are looked up only by it, so no table has an index.
CREATE TABLE requests (
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

CREATE TABLE attempts (
  request     INTEGER NOT NULL REFERENCES requests (number) ON DELETE CASCADE,
  place       INTEGER NOT NULL,     -- from 0
  provider    TEXT NOT NULL,
  model       TEXT NOT NULL,
  outcome     TEXT NOT NULL,        -- ok, why it failed, why it was passed over, or cancelled
  detail      TEXT NOT NULL,
  began       INTEGER NOT NULL,     -- from the request read
  took        INTEGER NOT NULL,
  input       INTEGER,              -- tokens; NULL where it used none
  output      INTEGER,              -- reasoning included
  cache_read  INTEGER,              -- not in input
  cache_write INTEGER,              -- not in input
  cache_write_1h INTEGER,           -- the part of cache_write that stays for an hour
  reasoning   INTEGER,
  estimated   INTEGER,              -- 1: the gateway counted
  told        INTEGER,              -- the provider's own figure of the cost
  amount      INTEGER,              -- what it costs; NULL where no price is known
  currency    TEXT,
  pricing     TEXT,                 -- price, or provider: whose figure it is
  PRIMARY KEY (request, place)
) STRICT, WITHOUT ROWID;
