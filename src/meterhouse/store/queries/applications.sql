-- name: insert_application
INSERT INTO application (id, client_id, name, scopes, secret_hash, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: update_application
UPDATE application SET name = ?, scopes = ?, updated_at = ? WHERE id = ?

-- name: name_taken
SELECT id FROM application WHERE name = ? AND id <> ?

-- name: find_application
-- By id, then by client id, then by name. Columns in the order of the fields of Application.
SELECT id, client_id, name, scopes, created_at, updated_at FROM (
    SELECT 1 AS rank, * FROM application WHERE id = :reference
    UNION ALL SELECT 2, * FROM application WHERE client_id = :reference
    UNION ALL SELECT 3, * FROM application WHERE name = :reference
)
ORDER BY rank LIMIT 1

-- name: by_id
SELECT id, client_id, name, scopes, created_at, updated_at FROM application WHERE id = ?

-- name: by_client_id
SELECT id, client_id, name, scopes, created_at, updated_at FROM application WHERE client_id = ?

-- name: hashes
-- One row always: of an unknown client it is empty, and costs the same.
SELECT secret_hash, previous_hash, previous_until
FROM (SELECT 1) LEFT JOIN application ON client_id = ?

-- name: page
SELECT id, client_id, name, scopes, created_at, updated_at, no FROM application
WHERE no > ? ORDER BY no LIMIT ?

-- name: rotate
UPDATE application
SET previous_hash = secret_hash, previous_until = :old_until, secret_hash = :hash,
    updated_at = :at
WHERE id = :id
RETURNING id

-- name: delete_application
DELETE FROM application WHERE id = ?
