-- Facts of many rows whose files are the detail: keys that are remembered by day, and meters that
-- keep no single records.

-- Keys of records with a day, packed: one row for what one run, or several together, added to a
-- day. They expire with the day, whatever the clock of the run said.
CREATE TABLE dedup_day (
    node_no INTEGER NOT NULL REFERENCES dedup_node (no) ON DELETE CASCADE,
    day TEXT NOT NULL,
    part INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    keys BLOB NOT NULL,
    PRIMARY KEY (node_no, day, part)
) STRICT;

CREATE INDEX dedup_day_expiry ON dedup_day (node_no, expires_at);

-- Whether an event-time meter keeps the single records that it takes.
ALTER TABLE meter_type ADD COLUMN keep_usage INTEGER NOT NULL DEFAULT 1;
