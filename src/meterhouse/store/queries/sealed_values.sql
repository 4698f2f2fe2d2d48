-- name: any
SELECT EXISTS (SELECT 1 FROM sealed_value)

-- name: one
SELECT purpose, id, version, content FROM sealed_value WHERE purpose = ? AND id = ?

-- name: put
INSERT INTO sealed_value (purpose, id, version, content) VALUES (?, ?, ?, ?)
ON CONFLICT (purpose, id) DO UPDATE SET version = excluded.version, content = excluded.content

-- name: remove
DELETE FROM sealed_value WHERE purpose = ? AND id = ?

-- name: all
SELECT no, purpose, id, version, content FROM sealed_value ORDER BY no

-- name: replace
UPDATE sealed_value SET content = ? WHERE no = ?
