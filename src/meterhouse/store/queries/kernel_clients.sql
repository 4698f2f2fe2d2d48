-- name: insert_client
INSERT INTO kernel_client
    (id, client_id, scopes, purpose, ob, secret_hash, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: client_id_taken
SELECT 1 FROM kernel_client WHERE client_id = ?

-- name: update_client
UPDATE kernel_client SET scopes = ?, purpose = ?, ob = ?, updated_at = ? WHERE id = ?

-- name: find_client
-- By id, then by client id. Columns in the order of the fields of KernelClient.
SELECT id, client_id, scopes, purpose, ob, created_at, updated_at FROM (
    SELECT 1 AS rank, * FROM kernel_client WHERE id = :reference
    UNION ALL SELECT 2, * FROM kernel_client WHERE client_id = :reference
)
ORDER BY rank LIMIT 1

-- name: by_id
SELECT id, client_id, scopes, purpose, ob, created_at, updated_at FROM kernel_client WHERE id = ?

-- name: hashes
-- One row always: of an unknown client it is empty, and costs the same.
SELECT secret_hash, previous_hash, previous_until
FROM (SELECT 1) LEFT JOIN kernel_client ON client_id = ?

-- name: page
SELECT id, client_id, scopes, purpose, ob, created_at, updated_at, no FROM kernel_client
WHERE no > ? ORDER BY no LIMIT ?

-- name: rotate
UPDATE kernel_client
SET previous_hash = secret_hash, previous_until = :old_until, secret_hash = :hash,
    updated_at = :at
WHERE id = :id

-- name: delete_client
DELETE FROM kernel_client WHERE id = ?

-- name: insert_token
INSERT INTO kernel_token (hash, client_no, scopes, issued_at, expires_at)
SELECT :hash, no, :scopes, :issued_at, :expires_at FROM kernel_client WHERE id = :id
RETURNING client_no

-- name: token
SELECT token.hash, token.scopes, token.issued_at, token.expires_at, client.id, client.client_id,
    client.scopes, client.purpose, client.ob, client.created_at, client.updated_at
FROM kernel_token AS token
JOIN kernel_client AS client ON client.no = token.client_no
WHERE token.hash = ?

-- name: purge_tokens
DELETE FROM kernel_token WHERE expires_at <= ?
