-- name: pending
SELECT
    outbox.id, run.id, outbox.node_id, outbox.spool, outbox.destination, outbox.storage,
    outbox.forward, outbox.records, outbox.attempts, outbox.attempted_at, outbox.error,
    (SELECT coalesce(sum(done), 0) FROM forward_lane WHERE outbox_id = outbox.id),
    (SELECT min(next_attempt_at) FROM forward_lane WHERE outbox_id = outbox.id)
FROM outbox INDEXED BY outbox_pending
CROSS JOIN run ON run.no = outbox.run_no
WHERE outbox.delivered_at IS NULL ORDER BY outbox.id

-- name: delivered
UPDATE outbox SET delivered_at = ?, attempted_at = ?, attempts = attempts + 1, error = NULL
WHERE id = ? AND delivered_at IS NULL

-- name: failed
UPDATE outbox SET attempted_at = ?, attempts = attempts + 1, error = ?
WHERE id = ? AND delivered_at IS NULL

-- name: delivered_before
-- Looks at the oldest ones only: what was delivered late among them waits for its time.
SELECT id FROM (
    SELECT id, delivered_at FROM outbox WHERE delivered_at IS NOT NULL ORDER BY id LIMIT :limit
)
WHERE delivered_at < :before

-- name: purge
DELETE FROM outbox
WHERE id IN (SELECT value FROM json_each(?)) AND delivered_at IS NOT NULL

-- name: drop
DELETE FROM outbox WHERE id = ? AND delivered_at IS NULL

-- name: drop_redriven
DELETE FROM dead_letter
WHERE redriven_by = (SELECT id FROM outbox WHERE id = ? AND delivered_at IS NULL)
