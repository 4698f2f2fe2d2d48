-- name: insert_table
INSERT INTO lookup_table (id, name, created_at) VALUES (?, ?, ?) RETURNING no

-- name: insert_version
INSERT INTO lookup_table_version (
    table_no, number, sha256, row_count, columns, keys, fields, created_at, created_by
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: find_table
-- By id, then by name.
SELECT no, id, name, created_at FROM (
    SELECT 1 AS rank, * FROM lookup_table WHERE id = :reference
    UNION ALL SELECT 2, * FROM lookup_table WHERE name = :reference
)
ORDER BY rank LIMIT 1

-- name: page
SELECT no, id, name, created_at, no FROM lookup_table WHERE no > ? ORDER BY no LIMIT ?

-- name: latest
SELECT number, sha256, row_count, columns, keys, fields, created_at, created_by
FROM lookup_table_version WHERE table_no = ? ORDER BY number DESC LIMIT 1

-- name: version
SELECT number, sha256, row_count, columns, keys, fields, created_at, created_by
FROM lookup_table_version WHERE table_no = ? AND number = ?

-- name: versions
SELECT number, sha256, row_count, columns, keys, fields, created_at, created_by, number
FROM lookup_table_version WHERE table_no = ? AND number < ? ORDER BY number DESC LIMIT ?

-- name: known_contents
SELECT lookup_table.id, lookup_table_version.number
FROM lookup_table_version JOIN lookup_table ON lookup_table.no = lookup_table_version.table_no

-- name: streams
-- Streams that name a table in the parameters of a look-up.
SELECT DISTINCT stream.name
FROM stream, json_each(stream.document, '$.nodes') AS node
WHERE json_extract(node.value, '$.type') = 'transforms/lookup'
    AND json_extract(node.value, '$.params.table')
        IN (:name, (SELECT id FROM lookup_table WHERE name = :name))
ORDER BY stream.no

-- name: delete_table
DELETE FROM lookup_table WHERE no = ?
