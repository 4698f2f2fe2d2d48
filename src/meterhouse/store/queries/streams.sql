-- name: insert_stream
INSERT INTO stream (id, name, document, created_at, updated_at) VALUES (?, ?, ?, ?, ?)
RETURNING no

-- name: insert_meter_node
INSERT INTO stream_meter (stream_no, node_id, meter_key) VALUES (?, ?, ?)

-- name: name_taken
SELECT id FROM stream WHERE name = ?

-- name: find_stream
SELECT no FROM (
    SELECT no, 1 AS rank FROM stream WHERE name = :reference
    UNION ALL SELECT no, 2 FROM stream WHERE id = :reference
)
ORDER BY rank LIMIT 1

-- name: page
SELECT id, name, document, created_at, updated_at, no FROM stream
WHERE no > ? ORDER BY no LIMIT ?

-- name: meter_nodes
SELECT node_id, meter_key FROM stream_meter WHERE stream_no = ? ORDER BY node_id

-- name: no_of_meter_key
SELECT stream_no FROM stream_meter WHERE meter_key = ? ORDER BY stream_no LIMIT 1

-- name: by_id
SELECT no, name FROM stream WHERE id = ?

-- name: lease
SELECT lease.host, lease.process, run.id, run.no
FROM lease JOIN run ON run.no = lease.run_no
WHERE lease.stream_no = ?

-- name: suspended
SELECT count(*) FROM suspense WHERE stream_no = ?

-- name: update_stream
UPDATE stream SET name = ?, document = ?, updated_at = ? WHERE no = ?

-- name: delete_meter_nodes
DELETE FROM stream_meter WHERE stream_no = ?

-- name: delete_stream
DELETE FROM stream WHERE no = ?

-- name: delete_script_store
DELETE FROM script_store WHERE stream_no = ?
