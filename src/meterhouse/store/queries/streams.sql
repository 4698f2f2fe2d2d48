-- name: insert_stream
INSERT INTO stream (id, name, document, created_at, updated_at) VALUES (?, ?, ?, ?, ?)
RETURNING no

-- name: insert_meter_node
INSERT INTO stream_meter (stream_no, node_id, meter_key) VALUES (?, ?, ?)

-- name: name_taken
SELECT id FROM stream WHERE name = ?

-- name: find_stream
-- By id, then by name: whoever knows an id means that one, whatever others are called.
SELECT no FROM (
    SELECT no, 1 AS rank FROM stream WHERE id = :reference
    UNION ALL SELECT no, 2 FROM stream WHERE name = :reference
)
ORDER BY rank LIMIT 1

-- name: page
SELECT id, name, document, created_at, updated_at, no FROM stream
WHERE no > :after AND (:name IS NULL OR instr(lower(name), lower(:name)) > 0)
    AND (:meter_key IS NULL OR no IN (
        SELECT stream_no FROM stream_meter WHERE meter_key = :meter_key
    ))
    AND (:secret_id IS NULL OR EXISTS (
        SELECT 1 FROM json_tree(document, '$.nodes')
        WHERE key = 'secretId' AND value = :secret_id
            AND path LIKE '$.nodes[%].params%.secretsWalletEntry'
    ))
ORDER BY no LIMIT :limit

-- name: by_no
SELECT id, name, document, created_at, updated_at, no FROM stream WHERE no = ?

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

-- name: delete_stream
DELETE FROM stream WHERE no = ?

-- name: delete_script_store
DELETE FROM script_store WHERE stream_no = ?

-- name: in_group
SELECT stream_group.name
FROM stream_group_member
JOIN stream_group ON stream_group.no = stream_group_member.group_no
WHERE stream_group_member.stream_no = ?

-- name: update_stream
UPDATE stream SET name = ?, document = ?, updated_at = ? WHERE no = ?

-- name: delete_meter_nodes
DELETE FROM stream_meter WHERE stream_no = ?

-- name: meters_of_node
SELECT count(*)
FROM stream_meter
JOIN meter_key ON meter_key.key = stream_meter.meter_key
JOIN meter ON meter.key_no = meter_key.no
WHERE stream_meter.stream_no = ? AND stream_meter.node_id = ?

-- name: meters_of_stream
-- Those of meter keys that no other stream has.
SELECT coalesce(sum(meter_count.meters), 0)
FROM meter_key
JOIN meter_count ON meter_count.key_no = meter_key.no
WHERE meter_key.key IN (SELECT meter_key FROM stream_meter WHERE stream_no = :no)
    AND NOT EXISTS (
        SELECT 1 FROM stream_meter
        WHERE stream_meter.meter_key = meter_key.key AND stream_meter.stream_no <> :no
    )

-- name: keys_of_node
SELECT EXISTS (
    SELECT 1 FROM dedup_node JOIN dedup_key ON dedup_key.node_no = dedup_node.no
    WHERE dedup_node.stream_no = ?1 AND dedup_node.node_id = ?2
    UNION ALL
    SELECT 1 FROM dedup_node JOIN dedup_day ON dedup_day.node_no = dedup_node.no
    WHERE dedup_node.stream_no = ?1 AND dedup_node.node_id = ?2
)

-- name: sessions_of_node
SELECT count(*) FROM aggregate_session WHERE stream_no = ? AND node_id = ?

-- name: suspended_of_node
SELECT count(*) FROM suspense WHERE stream_no = ? AND node_id = ?

-- name: unlink_suspended
-- Records of a node that is no longer there cannot go back to it.
UPDATE suspense SET state = 'open', updated_at = ?
WHERE stream_no = ? AND node_id = ? AND state = 'queued'
