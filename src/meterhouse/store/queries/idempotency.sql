-- name: sweep
DELETE FROM idempotency WHERE no IN (
    SELECT no FROM idempotency WHERE created_at < ? ORDER BY created_at LIMIT 100
)

-- name: by_key
SELECT fingerprint, host, process, status, headers, body FROM idempotency
WHERE client_id = ? AND key = ?

-- name: begin
INSERT INTO idempotency (client_id, key, fingerprint, host, process, created_at)
VALUES (?, ?, ?, ?, ?, ?)

-- name: take_over
UPDATE idempotency SET host = ?, process = ?, created_at = ? WHERE client_id = ? AND key = ?

-- name: finish
UPDATE idempotency SET status = ?, headers = ?, body = ? WHERE client_id = ? AND key = ?

-- name: abandon
DELETE FROM idempotency WHERE client_id = ? AND key = ? AND status IS NULL

-- name: leave
UPDATE idempotency SET host = '', process = ''
WHERE client_id = ? AND key = ? AND status IS NULL
