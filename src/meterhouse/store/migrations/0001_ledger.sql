-- The ledger. Instants are microseconds since 1970-01-01T00:00Z; quantities are decimal text.
-- Every table has a short number of its own (`no`) beside the public id: rows refer by number.

------------------------------------------------------------------ what is metered

CREATE TABLE meter_type (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    external_ref TEXT UNIQUE,
    description TEXT,
    -- Category, schedule and time zone of all its meters, as they are now.
    category TEXT NOT NULL,
    reset_schedule TEXT NOT NULL,
    timezone TEXT NOT NULL,
    -- The version that new meters inherit.
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- What a meter inherits once, at its creation. Versions never change.
CREATE TABLE meter_type_version (
    no INTEGER PRIMARY KEY,
    type_no INTEGER NOT NULL REFERENCES meter_type (no) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    unit TEXT NOT NULL,
    aggregation TEXT NOT NULL,
    active_from INTEGER,
    active_to INTEGER,
    capacity TEXT,
    thresholds TEXT NOT NULL,
    UNIQUE (type_no, version)
) STRICT;

CREATE TABLE meter_key (
    no INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE
) STRICT;

-- Numbers of meters are never used twice: a run knows its meters by them. `own` is a JSON object
-- of what is not inherited, among capacity, thresholds and activeTo (microseconds); NULL where
-- nothing is.
CREATE TABLE meter (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    key_no INTEGER NOT NULL REFERENCES meter_key (no),
    user_id TEXT NOT NULL,
    type_no INTEGER NOT NULL REFERENCES meter_type (no),
    version_no INTEGER NOT NULL REFERENCES meter_type_version (no),
    own TEXT,
    custom_fields TEXT,
    delete_on_reset INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (key_no, user_id, type_no)
) STRICT;

CREATE INDEX meter_by_key ON meter (key_no);
CREATE INDEX meter_by_type ON meter (type_no);
CREATE INDEX meter_by_user ON meter (user_id);
CREATE INDEX meter_own ON meter (key_no) WHERE own IS NOT NULL;

-- The open period of each meter. Narrow, so that a reset of many meters is cheap.
CREATE TABLE meter_period (
    meter_no INTEGER NOT NULL REFERENCES meter (no) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    key_no INTEGER NOT NULL,
    start_at INTEGER NOT NULL,
    end_at INTEGER NOT NULL,
    timezone TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (meter_no, sequence)
) STRICT, WITHOUT ROWID;

CREATE INDEX meter_period_by_end ON meter_period (key_no, end_at);

-- What the open period has gathered; no row where it is untouched. `contents` is one text of
-- seven cells (see contents.py): a row with many columns costs three times as much to write.
CREATE TABLE meter_contents (
    meter_no INTEGER PRIMARY KEY REFERENCES meter (no) ON DELETE CASCADE,
    updated_at INTEGER NOT NULL,
    contents TEXT NOT NULL
) STRICT;

-- All that is known of a meter, as the program reads it. CROSS JOIN keeps `meter` in front, so
-- that lists are read in its order.
CREATE VIEW bucket AS
SELECT
    meter.no, meter.id, meter.key_no, meter_key.key, meter.user_id, meter.type_no,
    meter.version_no, meter.own, meter.custom_fields, meter.delete_on_reset, meter.created_at,
    meter_period.sequence, meter_period.start_at, meter_period.end_at, meter_period.timezone,
    coalesce(meter_contents.updated_at, meter_period.updated_at) AS updated_at,
    meter_contents.contents
FROM meter
CROSS JOIN meter_key ON meter_key.no = meter.key_no
CROSS JOIN meter_period ON meter_period.meter_no = meter.no
LEFT JOIN meter_contents ON meter_contents.meter_no = meter.no;

-- The same for people: value and number of records of every meter.
CREATE VIEW meter_overview AS
SELECT
    bucket.id, bucket.key AS meter_key, bucket.user_id, meter_type.name AS meter_type,
    substr(contents, 1, instr(contents, char(28)) - 1) AS value,
    CAST(substr(contents, instr(contents, char(28)) + 1) AS INTEGER) AS records,
    datetime(start_at / 1000000, 'unixepoch') AS period_start,
    datetime(end_at / 1000000, 'unixepoch') AS period_end
FROM bucket
JOIN meter_type ON meter_type.no = bucket.type_no;

------------------------------------------------------------------ streams and runs

CREATE TABLE stream (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE stream_meter (
    stream_no INTEGER NOT NULL REFERENCES stream (no) ON DELETE CASCADE,
    node_id TEXT NOT NULL,
    meter_key TEXT NOT NULL,
    PRIMARY KEY (stream_no, node_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX stream_meter_by_key ON stream_meter (meter_key);

-- Runs outlive their stream, so they name it instead of referring to it.
CREATE TABLE run (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    stream_id TEXT NOT NULL,
    stream_name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'complete', 'failed')),
    at INTEGER NOT NULL,
    seed TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    error TEXT
) STRICT;

CREATE INDEX run_by_stream ON run (stream_id);

-- Who runs a stream. Whoever writes in the name of a run checks that the lease is still its own.
CREATE TABLE lease (
    stream_no INTEGER PRIMARY KEY REFERENCES stream (no) ON DELETE CASCADE,
    run_no INTEGER NOT NULL REFERENCES run (no),
    host TEXT NOT NULL,
    process TEXT NOT NULL
) STRICT;

CREATE TABLE run_node (
    run_no INTEGER NOT NULL REFERENCES run (no),
    position INTEGER NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    records_in INTEGER NOT NULL,
    out TEXT NOT NULL,
    filtered INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    suspended INTEGER NOT NULL,
    metered INTEGER NOT NULL,
    PRIMARY KEY (run_no, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_audit (
    run_no INTEGER NOT NULL REFERENCES run (no),
    node_id TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run_no, node_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_log (
    run_no INTEGER NOT NULL REFERENCES run (no),
    position INTEGER NOT NULL,
    node_id TEXT NOT NULL,
    level TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (run_no, position)
) STRICT;

------------------------------------------------------------------ what runs remember

-- A path is a text, or the bytes of one that is not UTF-8.
CREATE TABLE consumed_file (
    stream_no INTEGER NOT NULL REFERENCES stream (no) ON DELETE CASCADE,
    node_id TEXT NOT NULL,
    path ANY NOT NULL,
    size INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    run_no INTEGER NOT NULL REFERENCES run (no),
    PRIMARY KEY (stream_no, node_id, path)
) STRICT, WITHOUT ROWID;

-- `swept` is how far the search for expired keys has come; it goes round.
CREATE TABLE dedup_node (
    no INTEGER PRIMARY KEY,
    stream_no INTEGER NOT NULL REFERENCES stream (no) ON DELETE CASCADE,
    node_id TEXT NOT NULL,
    swept BLOB NOT NULL DEFAULT x'',
    UNIQUE (stream_no, node_id)
) STRICT;

CREATE TABLE dedup_key (
    node_no INTEGER NOT NULL REFERENCES dedup_node (no) ON DELETE CASCADE,
    digest BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (node_no, digest)
) STRICT, WITHOUT ROWID;

-- stream_no 0 with node_id '' is the store that all streams share.
CREATE TABLE script_store (
    stream_no INTEGER NOT NULL,
    node_id TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (stream_no, node_id, key)
) STRICT, WITHOUT ROWID;

------------------------------------------------------------------ what runs leave behind

-- `text` is the record exactly as it left. Never updated.
CREATE TABLE metered_record (
    no INTEGER PRIMARY KEY,
    record_id BLOB NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('golden', 'threshold')),
    run_no INTEGER NOT NULL REFERENCES run (no),
    node_id TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;

CREATE INDEX metered_record_by_run ON metered_record (run_no);
CREATE INDEX metered_record_by_kind ON metered_record (kind);

CREATE TABLE source (
    no INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- `provisional` records are those of a failed run: their input will be read again, and then
-- they are replaced.
CREATE TABLE suspense (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream_no INTEGER NOT NULL REFERENCES stream (no),
    run_no INTEGER NOT NULL REFERENCES run (no),
    node_id TEXT NOT NULL,
    node_name TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    source_no INTEGER NOT NULL REFERENCES source (no),
    place INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'queued')),
    provisional INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    record TEXT,
    raw TEXT
) STRICT;

CREATE INDEX suspense_by_stream ON suspense (stream_no);
CREATE INDEX suspense_by_reason ON suspense (reason);
CREATE INDEX suspense_by_error ON suspense (stream_no, node_name, reason);
CREATE INDEX suspense_provisional ON suspense (stream_no, source_no, place) WHERE provisional = 1;
CREATE INDEX suspense_queued ON suspense (stream_no) WHERE state = 'queued';

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_no INTEGER NOT NULL REFERENCES run (no),
    node_id TEXT NOT NULL,
    spool TEXT NOT NULL,
    destination ANY NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    attempted_at INTEGER,
    delivered_at INTEGER
) STRICT;

CREATE INDEX outbox_pending ON outbox (id) WHERE delivered_at IS NULL;
