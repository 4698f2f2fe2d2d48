-- Clients of Kernel, and their tokens. Of secrets and tokens there are hashes only.
CREATE TABLE kernel_client (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    purpose TEXT,
    ob TEXT,
    secret_hash BLOB NOT NULL,
    previous_hash BLOB,
    previous_until INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE kernel_token (
    hash BLOB PRIMARY KEY,
    client_no INTEGER NOT NULL REFERENCES kernel_client (no) ON DELETE CASCADE,
    scopes TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX kernel_token_by_end ON kernel_token (expires_at);
CREATE INDEX kernel_token_by_client ON kernel_token (client_no);

-- How many rows a file had that a run read; files that were read before this are not told of.
ALTER TABLE consumed_file ADD COLUMN record_count INTEGER;
