-- Requests with an Idempotency-Key, and what was answered to them. A row without a status is of a
-- request in flight; its owner is a process, as that of a lease.
CREATE TABLE idempotency (
    no INTEGER PRIMARY KEY,
    client_id TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    host TEXT NOT NULL,
    process TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    status INTEGER,
    headers TEXT,
    body BLOB,
    UNIQUE (client_id, key)
) STRICT;

CREATE INDEX idempotency_by_age ON idempotency (created_at);
