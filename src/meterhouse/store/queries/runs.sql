-- name: insert_run
INSERT INTO run (id, stream_id, stream_name, status, at, seed, started_at)
VALUES (?, ?, ?, 'running', ?, ?, ?)
RETURNING no

-- name: last_complete_at
SELECT at FROM run WHERE stream_id = ? AND status = 'complete' ORDER BY no DESC LIMIT 1

-- name: take_lease
INSERT INTO lease (stream_no, run_no, host, process) VALUES (?, ?, ?, ?)
ON CONFLICT (stream_no) DO UPDATE
SET run_no = excluded.run_no, host = excluded.host, process = excluded.process

-- name: lease_of_run
SELECT run.no, lease.stream_no
FROM run
LEFT JOIN lease ON lease.run_no = run.no
WHERE run.id = ?

-- name: give_back_lease
DELETE FROM lease WHERE run_no = ?

-- name: interrupt
UPDATE run SET status = 'failed', error = ?, ended_at = ? WHERE no = ? AND status = 'running'

-- name: end_run
UPDATE run SET status = ?, error = ?, ended_at = ? WHERE no = ? AND status = 'running'

-- name: insert_node
INSERT INTO run_node (
    run_no, position, id, name, type, records_in, out, filtered, duplicates, suspended, metered
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_audit
INSERT INTO run_audit (run_no, node_id, key, value) VALUES (?, ?, ?, ?)

-- name: insert_log
INSERT INTO run_log (run_no, position, node_id, level, text) VALUES (?, ?, ?, ?, ?)

-- name: log
SELECT node_id, level, text FROM run_log
WHERE run_no = (SELECT no FROM run WHERE id = ?) ORDER BY position

-- name: nodes
SELECT id, name, type, records_in, out, filtered, duplicates, suspended, metered FROM run_node
WHERE run_no = ? ORDER BY position

-- name: by_id
SELECT id, stream_id, stream_name, status, at, seed, started_at, ended_at, error, no FROM run
WHERE id = ?

-- name: page
SELECT id, stream_id, stream_name, status, at, seed, started_at, ended_at, error, no FROM run
WHERE no < ? ORDER BY no DESC LIMIT ?

-- name: page_of_stream
SELECT id, stream_id, stream_name, status, at, seed, started_at, ended_at, error, no FROM run
WHERE no < ? AND stream_id = ? ORDER BY no DESC LIMIT ?
