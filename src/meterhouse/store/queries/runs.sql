-- name: insert_run
INSERT INTO run (
    id, stream_id, stream_name, status, at, seed, started_at,
    origin, started_by, scheduled_for, group_run_id, version
) VALUES (?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?)
RETURNING no

-- name: version_tag
-- The latest tag of a version that is the working copy as it stands.
SELECT stream_version.tag
FROM stream_version
JOIN stream ON stream.no = stream_version.stream_no
WHERE stream_version.stream_no = ? AND stream_version.tag IS NOT NULL
    AND stream_version.document = stream.document
ORDER BY stream_version.no DESC LIMIT 1

-- name: last_complete_at
SELECT at FROM run WHERE stream_id = ? AND status = 'complete' ORDER BY no DESC LIMIT 1

-- name: take_lease
INSERT INTO lease (stream_no, run_no, host, process) VALUES (?, ?, ?, ?)
ON CONFLICT (stream_no) DO UPDATE
SET run_no = excluded.run_no, host = excluded.host, process = excluded.process

-- name: leases_beside
-- Who holds leases, but for one process that asks.
SELECT lease.host, lease.process, run.no
FROM lease JOIN run ON run.no = lease.run_no
WHERE lease.process <> ?

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
    run_no, position, id, name, type, records_in, out, filtered, duplicates, suspended, metered,
    errors
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_audit
INSERT INTO run_audit (run_no, node_id, key, value) VALUES (?, ?, ?, ?)

-- name: insert_log
INSERT INTO run_log (run_no, position, node_id, level, text) VALUES (?, ?, ?, ?, ?)

-- name: log
SELECT node_id, level, text FROM run_log
WHERE run_no = (SELECT no FROM run WHERE id = ?) ORDER BY position

-- name: log_page
SELECT node_id, level, text, position FROM run_log
WHERE run_no = (SELECT no FROM run WHERE id = :id) AND position > :after
ORDER BY position LIMIT :limit

-- name: nodes
SELECT
    id, name, type, records_in, out, filtered, duplicates, suspended, metered, errors
FROM run_node
WHERE run_no = ? ORDER BY position

-- name: by_id
SELECT
    id, stream_id, stream_name, status, at, seed, started_at, ended_at, error,
    origin, started_by, scheduled_for, group_run_id, version, no
FROM run WHERE id = ?

-- name: by_no
SELECT
    id, stream_id, stream_name, status, at, seed, started_at, ended_at, error,
    origin, started_by, scheduled_for, group_run_id, version, no
FROM run WHERE no = ?

-- name: page
SELECT
    id, stream_id, stream_name, status, at, seed, started_at, ended_at, error,
    origin, started_by, scheduled_for, group_run_id, version, no
FROM run
WHERE no < :before AND (:status IS NULL OR status = :status)
    AND (:origin IS NULL OR origin = :origin)
    AND (:since IS NULL OR started_at >= :since) AND (:until IS NULL OR started_at < :until)
ORDER BY no DESC LIMIT :limit

-- name: page_of_stream
SELECT
    id, stream_id, stream_name, status, at, seed, started_at, ended_at, error,
    origin, started_by, scheduled_for, group_run_id, version, no
FROM run
WHERE no < :before AND stream_id = :stream_id AND (:status IS NULL OR status = :status)
    AND (:origin IS NULL OR origin = :origin)
    AND (:since IS NULL OR started_at >= :since) AND (:until IS NULL OR started_at < :until)
ORDER BY no DESC LIMIT :limit

-- name: of_group_run
SELECT
    id, stream_id, stream_name, status, at, seed, started_at, ended_at, error,
    origin, started_by, scheduled_for, group_run_id, version, no
FROM run WHERE group_run_id = ? ORDER BY no

-- name: request_stop
UPDATE run SET stop_requested_at = coalesce(stop_requested_at, ?)
WHERE id = ? AND status = 'running'
RETURNING no

-- name: stop_requested
SELECT stop_requested_at IS NOT NULL FROM run WHERE id = ?

-- name: end_claim
UPDATE schedule SET claimed = NULL WHERE claimed = ?

-- name: insert_usage
INSERT INTO usage_audit (run_no, ended_at, input, output, duplicated, to_correction, custom)
VALUES (?, ?, ?, ?, ?, ?, ?)
