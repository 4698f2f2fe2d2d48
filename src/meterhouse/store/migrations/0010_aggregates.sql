-- Sessions of aggregating nodes: what they have gathered and not yet let out.

-- `scope` is what records were grouped by: with other group fields, other sessions are open.
-- `key` and `state` are JSON that the node understands. `timeout_at` is null where none is set.
CREATE TABLE aggregate_session (
    no INTEGER PRIMARY KEY,
    stream_no INTEGER NOT NULL REFERENCES stream (no) ON DELETE CASCADE,
    node_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    timeout_at INTEGER,
    UNIQUE (stream_no, node_id, scope, key)
) STRICT;

CREATE INDEX aggregate_session_due ON aggregate_session (stream_no, node_id, scope, timeout_at)
WHERE timeout_at IS NOT NULL;
CREATE INDEX aggregate_session_by_update ON aggregate_session (stream_no, updated_at);
CREATE INDEX aggregate_session_by_stream ON aggregate_session (stream_no, no);
