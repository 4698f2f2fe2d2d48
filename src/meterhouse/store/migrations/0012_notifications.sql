-- Who is told of what happens to streams, and what is on its way to them.

-- `emails` and `events` are JSON lists. With `every_stream`, the streams below mean nothing.
CREATE TABLE notification_group (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    description TEXT,
    events TEXT NOT NULL,
    emails TEXT NOT NULL,
    every_stream INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE notification_webhook (
    group_no INTEGER NOT NULL REFERENCES notification_group (no) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    uri TEXT NOT NULL,
    secret_id TEXT NOT NULL,
    PRIMARY KEY (group_no, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX notification_webhook_by_secret ON notification_webhook (secret_id);

CREATE TABLE notification_stream (
    group_no INTEGER NOT NULL REFERENCES notification_group (no) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    stream_no INTEGER NOT NULL REFERENCES stream (no) ON DELETE CASCADE,
    PRIMARY KEY (group_no, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX notification_stream_by_stream ON notification_stream (stream_no);

-- When a group was last told of an event of a stream: for a while after it, it is not told again.
CREATE TABLE notification_told (
    group_no INTEGER NOT NULL REFERENCES notification_group (no) ON DELETE CASCADE,
    stream_id TEXT NOT NULL,
    event TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (group_no, stream_id, event)
) STRICT, WITHOUT ROWID;

-- The records of an output that has no spool, because the ledger itself made them.
CREATE TABLE notification_message (
    outbox_id INTEGER NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    mark INTEGER NOT NULL,
    key TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (outbox_id, place)
) STRICT, WITHOUT ROWID;
