-- Outputs whose records leave one after another, how far they have come, and the dead letters.

-- All outputs of one writer of one stream. One process at a time delivers a channel: until the
-- instant `until`, `holder` is the name of its claim. `woken`: nobody waits for the next try.
CREATE TABLE forward_channel (
    no INTEGER PRIMARY KEY,
    stream_id TEXT NOT NULL,
    node_id TEXT NOT NULL,
    due_at INTEGER,
    woken INTEGER NOT NULL DEFAULT 0,
    host TEXT,
    process TEXT,
    holder TEXT,
    until INTEGER,
    UNIQUE (stream_id, node_id)
) STRICT;

CREATE INDEX forward_channel_due ON forward_channel (due_at) WHERE due_at IS NOT NULL;

-- `forward` is the document of such an output, `spool` is empty where it was made of dead letters.
ALTER TABLE outbox ADD COLUMN forward TEXT;
ALTER TABLE outbox ADD COLUMN channel_no INTEGER REFERENCES forward_channel (no);
ALTER TABLE outbox ADD COLUMN records INTEGER NOT NULL DEFAULT 0;

CREATE INDEX outbox_of_channel ON outbox (channel_no, id)
WHERE channel_no IS NOT NULL AND delivered_at IS NULL;

-- How many records of a lane are done, and how the next one stands.
CREATE TABLE forward_lane (
    outbox_id INTEGER NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
    lane INTEGER NOT NULL,
    done INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    counted INTEGER NOT NULL DEFAULT 0,
    failing_since INTEGER,
    next_attempt_at INTEGER,
    error TEXT,
    PRIMARY KEY (outbox_id, lane)
) STRICT, WITHOUT ROWID;

-- Records that were refused or given up. `redriven_by` is the output that sends one again; then it
-- is no dead letter any more, but one of the records of that output.
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    outbox_id INTEGER NOT NULL,
    channel_no INTEGER NOT NULL REFERENCES forward_channel (no),
    run_no INTEGER NOT NULL REFERENCES run (no),
    node_id TEXT NOT NULL,
    node_name TEXT NOT NULL,
    place INTEGER NOT NULL,
    key TEXT NOT NULL,
    mark INTEGER NOT NULL,
    record TEXT NOT NULL,
    forward TEXT NOT NULL,
    destination TEXT NOT NULL,
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    at INTEGER NOT NULL,
    redriven_by INTEGER
) STRICT;

CREATE INDEX dead_letter_by_run ON dead_letter (run_no, id) WHERE redriven_by IS NULL;
CREATE INDEX dead_letter_by_channel ON dead_letter (channel_no, id) WHERE redriven_by IS NULL;
CREATE INDEX dead_letter_redriven ON dead_letter (redriven_by, id) WHERE redriven_by IS NOT NULL;
