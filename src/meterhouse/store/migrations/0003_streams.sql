-- How runs come about, versions of streams, groups, schedules, and the usage audit.

------------------------------------------------------------------ runs

-- `version` is the tag of what was run, NULL for a working copy without one. `scheduled_for` is
-- the instant that a schedule named; a run's clock (`at`) is when it began.
ALTER TABLE run ADD COLUMN origin TEXT NOT NULL DEFAULT 'manual'
    CHECK (origin IN ('manual', 'schedule', 'group', 'correction'));
ALTER TABLE run ADD COLUMN started_by TEXT;
ALTER TABLE run ADD COLUMN scheduled_for INTEGER;
ALTER TABLE run ADD COLUMN group_run_id TEXT;
ALTER TABLE run ADD COLUMN version TEXT;
ALTER TABLE run ADD COLUMN stop_requested_at INTEGER;

CREATE INDEX run_by_group_run ON run (group_run_id) WHERE group_run_id IS NOT NULL;

-- What a complete run took in and let out. A number is NULL where the stream has no such nodes.
CREATE TABLE usage_audit (
    run_no INTEGER PRIMARY KEY REFERENCES run (no),
    ended_at INTEGER NOT NULL,
    input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    duplicated INTEGER,
    to_correction INTEGER,
    custom TEXT NOT NULL
) STRICT;

CREATE INDEX usage_audit_by_end ON usage_audit (ended_at);

------------------------------------------------------------------ versions

-- A version without a tag was kept when the working copy was replaced. Versions are never deleted
-- but with their stream, so that a tag is never used twice.
CREATE TABLE stream_version (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    stream_no INTEGER NOT NULL REFERENCES stream (no) ON DELETE CASCADE,
    tag TEXT,
    description TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT,
    document TEXT NOT NULL,
    meter_keys TEXT NOT NULL,
    UNIQUE (stream_no, tag)
) STRICT;

CREATE INDEX stream_version_by_stream ON stream_version (stream_no);

------------------------------------------------------------------ groups

CREATE TABLE stream_group (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE stream_group_member (
    group_no INTEGER NOT NULL REFERENCES stream_group (no) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    stream_no INTEGER NOT NULL UNIQUE REFERENCES stream (no),
    PRIMARY KEY (group_no, position)
) STRICT, WITHOUT ROWID;

-- Group runs outlive their group. `host` and `process` are the lease while it runs; `members` is
-- a JSON list of the ids of the streams.
CREATE TABLE group_run (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    group_id TEXT NOT NULL,
    group_name TEXT NOT NULL,
    members TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'complete', 'failed')),
    origin TEXT NOT NULL CHECK (origin IN ('manual', 'schedule')),
    started_at INTEGER NOT NULL,
    started_by TEXT,
    scheduled_for INTEGER,
    ended_at INTEGER,
    error TEXT,
    stop_requested_at INTEGER,
    host TEXT NOT NULL,
    process TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX group_run_running ON group_run (group_id) WHERE status = 'running';

------------------------------------------------------------------ schedules

-- `next_at` is NULL while the schedule is disabled. `claimed` is the id of the run (of a group:
-- the group run) of an instant that has come: it is emptied when that run ends, but not when its
-- process dies, so that the run is begun again.
CREATE TABLE schedule (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    stream_no INTEGER UNIQUE REFERENCES stream (no) ON DELETE CASCADE,
    group_no INTEGER UNIQUE REFERENCES stream_group (no) ON DELETE CASCADE,
    rule TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    next_at INTEGER,
    claimed TEXT,
    last_at INTEGER,
    skipped INTEGER NOT NULL DEFAULT 0,
    skipped_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK ((stream_no IS NULL) <> (group_no IS NULL))
) STRICT;

CREATE INDEX schedule_due ON schedule (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX schedule_claimed ON schedule (claimed) WHERE claimed IS NOT NULL;
