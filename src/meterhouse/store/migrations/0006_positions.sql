-- How far a reader node has read what has no files: for each part of its input (a partition, a
-- stream, a query) a small JSON value that its connector understands. `run_no` wrote it.
CREATE TABLE input_position (
    stream_no INTEGER NOT NULL REFERENCES stream (no) ON DELETE CASCADE,
    node_id TEXT NOT NULL,
    part TEXT NOT NULL,
    value TEXT NOT NULL,
    run_no INTEGER NOT NULL REFERENCES run (no),
    PRIMARY KEY (stream_no, node_id, part)
) STRICT, WITHOUT ROWID;
