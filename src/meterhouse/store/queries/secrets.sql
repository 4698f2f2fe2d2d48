-- name: insert_secret
INSERT INTO secret (id, name, name_folded, description, type, version, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: update_secret
UPDATE secret SET name = ?, name_folded = ?, description = ?, version = ?, updated_at = ?
WHERE id = ?

-- name: name_taken
SELECT id FROM secret WHERE name = ? AND id <> ?

-- name: find_secret
-- By id, then by name. Columns in the order of the fields of Secret.
SELECT id, name, type, created_at, updated_at, description, version FROM (
    SELECT 1 AS rank, * FROM secret WHERE id = :reference
    UNION ALL SELECT 2, * FROM secret WHERE name = :reference
)
ORDER BY rank LIMIT 1

-- name: by_id
SELECT id, name, type, created_at, updated_at, description, version FROM secret WHERE id = ?

-- name: page
SELECT id, name, type, created_at, updated_at, description, version, no FROM secret
WHERE no > :after AND (:type IS NULL OR type = :type)
    AND (:name IS NULL OR instr(name_folded, :name))
ORDER BY no LIMIT :limit

-- name: delete_secret
DELETE FROM secret WHERE id = ?

-- name: documents
SELECT name, document FROM stream ORDER BY no
