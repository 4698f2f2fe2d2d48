-- name: due
SELECT no, stream_id, node_id, woken, host, process, until FROM forward_channel
WHERE due_at <= ? ORDER BY due_at, no

-- name: claim
UPDATE forward_channel SET host = ?, process = ?, holder = ?, until = ?, woken = 0 WHERE no = ?

-- name: keep
UPDATE forward_channel SET until = ? WHERE no = ? AND holder = ?

-- name: entries
SELECT outbox.id, run.id, outbox.node_id, outbox.spool, outbox.destination, outbox.forward,
    outbox.records
FROM outbox INDEXED BY outbox_of_channel
JOIN run ON run.no = outbox.run_no
WHERE outbox.channel_no = ? AND outbox.delivered_at IS NULL ORDER BY outbox.id LIMIT ?

-- name: lanes
SELECT outbox_id, lane, done, attempts, counted, failing_since, next_attempt_at, error
FROM forward_lane WHERE outbox_id = ?

-- name: newest
SELECT max(id) FROM outbox INDEXED BY outbox_of_channel
WHERE channel_no = ? AND delivered_at IS NULL

-- name: wanted
SELECT id FROM outbox INDEXED BY outbox_of_channel WHERE channel_no = ? AND delivered_at IS NULL

-- name: put_lane
INSERT INTO forward_lane (
    outbox_id, lane, done, attempts, counted, failing_since, next_attempt_at, error
) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (outbox_id, lane) DO UPDATE
SET done = excluded.done, attempts = excluded.attempts, counted = excluded.counted,
    failing_since = excluded.failing_since, next_attempt_at = excluded.next_attempt_at,
    error = excluded.error

-- name: attempted
-- What people see of an output: the lane that has the most trouble stands for it.
UPDATE outbox SET
    attempted_at = ?2,
    attempts = (SELECT coalesce(max(attempts), 0) FROM forward_lane WHERE outbox_id = ?1),
    error = (
        SELECT error FROM forward_lane WHERE outbox_id = ?1 AND error IS NOT NULL
        ORDER BY attempts DESC LIMIT 1
    )
WHERE id = ?1

-- name: insert_dead
INSERT INTO dead_letter (
    outbox_id, channel_no, run_no, node_id, node_name, place, key, mark, record, forward,
    destination, reason, attempts, at
)
SELECT id, channel_no, run_no, node_id, forward ->> 'node', ?2, ?3, ?4, ?5, forward, destination,
    ?6, ?7, ?8
FROM outbox WHERE id = ?1

-- name: finish
UPDATE outbox SET delivered_at = ?, attempted_at = ?, error = NULL
WHERE id = ? AND delivered_at IS NULL

-- name: forget_lanes
DELETE FROM forward_lane WHERE outbox_id = ?

-- name: forget_redriven
DELETE FROM dead_letter WHERE redriven_by = ?

-- name: release
UPDATE forward_channel SET
    host = NULL, process = NULL, holder = NULL, until = NULL,
    due_at = CASE
        WHEN woken = 1 OR EXISTS (
            SELECT 1 FROM outbox INDEXED BY outbox_of_channel
            WHERE channel_no = :no AND delivered_at IS NULL AND id > :last
        ) THEN 0
        ELSE :due_at
    END
WHERE no = :no AND holder = :holder

-- name: next_due
SELECT min(due_at) FROM forward_channel INDEXED BY forward_channel_due
WHERE due_at IS NOT NULL AND no NOT IN (SELECT value FROM json_each(?))

-- name: wake
UPDATE forward_channel SET due_at = 0, woken = 1
WHERE no = (SELECT channel_no FROM outbox WHERE id = ? AND delivered_at IS NULL)

-- name: redirect
UPDATE outbox SET forward = ?, destination = ? WHERE id = ? AND delivered_at IS NULL

-- name: drop
DELETE FROM outbox WHERE id = ? AND delivered_at IS NULL

-- name: put_channel
INSERT INTO forward_channel (stream_id, node_id, due_at) VALUES (?, ?, 0)
ON CONFLICT (stream_id, node_id) DO UPDATE SET due_at = 0
RETURNING no

-- name: redriven
SELECT place, mark, key, record FROM dead_letter INDEXED BY dead_letter_redriven
WHERE redriven_by = ? ORDER BY id
