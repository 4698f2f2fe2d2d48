-- Who may do what: secrets, applications, the keys of tokens, and the log of what was done.

-- All that is sealed, whoever it belongs to, so that a change of the wallet's key finds it in one
-- place. Purpose, id and version are bound into the content, which only the wallet's key opens.
CREATE TABLE sealed_value (
    no INTEGER PRIMARY KEY,
    purpose TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    content BLOB NOT NULL,
    UNIQUE (purpose, id)
) STRICT;

-- `name_folded` is what a search looks at.
CREATE TABLE secret (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    name_folded TEXT NOT NULL,
    description TEXT,
    type TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Of client secrets there are keyed hashes; the one before works until an instant.
CREATE TABLE application (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    previous_hash BLOB,
    previous_until INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- The private keys are among the sealed values.
CREATE TABLE signing_key (
    no INTEGER PRIMARY KEY,
    kid TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    retired_at INTEGER
) STRICT;

-- `detail` is JSON, or NULL.
CREATE TABLE activity (
    no INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    detail TEXT
) STRICT;

CREATE INDEX activity_by_actor ON activity (actor);
CREATE INDEX activity_by_object ON activity (object_id);
