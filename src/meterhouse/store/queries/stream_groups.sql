-- name: insert
INSERT INTO stream_group (id, name, created_at, updated_at) VALUES (?, ?, ?, ?) RETURNING no

-- name: insert_member
INSERT INTO stream_group_member (group_no, position, stream_no) VALUES (?, ?, ?)

-- name: update
UPDATE stream_group SET name = ?, updated_at = ? WHERE no = ?

-- name: delete_members
DELETE FROM stream_group_member WHERE group_no = ?

-- name: name_taken
SELECT 1 FROM stream_group WHERE name = ?

-- name: find
-- By id, then by name.
SELECT no FROM (
    SELECT no, 1 AS rank FROM stream_group WHERE id = :reference
    UNION ALL SELECT no, 2 FROM stream_group WHERE name = :reference
)
ORDER BY rank LIMIT 1

-- name: page
SELECT id, name, created_at, updated_at, no FROM stream_group WHERE no > ? ORDER BY no LIMIT ?

-- name: members
SELECT stream.id, stream.name
FROM stream_group_member
JOIN stream ON stream.no = stream_group_member.stream_no
WHERE stream_group_member.group_no = ? ORDER BY stream_group_member.position

-- name: stream_schedule
SELECT 1 FROM schedule WHERE stream_no = ?

-- name: delete
DELETE FROM stream_group WHERE no = ?

-- name: running
SELECT id, host, process FROM group_run WHERE group_id = ? AND status = 'running'

-- name: running_beside
SELECT id, host, process FROM group_run WHERE status = 'running' AND process <> ?

-- name: insert_run
INSERT INTO group_run (
    id, group_id, group_name, members, status, origin, started_at, started_by, scheduled_for,
    host, process
) VALUES (?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?)

-- name: take_over_run
UPDATE group_run SET host = ?, process = ?, stop_requested_at = NULL, status = 'running',
    ended_at = NULL, error = NULL
WHERE id = ?

-- name: interrupt
UPDATE group_run SET status = 'failed', error = ?, ended_at = ?
WHERE id = ? AND status = 'running'

-- name: end_run
UPDATE group_run SET status = ?, error = ?, ended_at = ?
WHERE id = ? AND status = 'running' AND host = ? AND process = ?
RETURNING no

-- name: run
SELECT
    id, group_id, group_name, members, status, origin, started_at, started_by, scheduled_for,
    ended_at, error
FROM group_run WHERE id = ?

-- name: request_stop
UPDATE group_run SET stop_requested_at = coalesce(stop_requested_at, ?)
WHERE id = ? AND status = 'running'
RETURNING no

-- name: running_members
SELECT id FROM run WHERE group_run_id = ? AND status = 'running'

-- name: stop_requested
SELECT stop_requested_at IS NOT NULL FROM group_run WHERE id = ?
