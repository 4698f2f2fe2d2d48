-- name: put
INSERT INTO input_position (stream_no, node_id, part, value, run_no) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (stream_no, node_id, part) DO UPDATE
SET value = excluded.value, run_no = excluded.run_no

-- name: settle
-- Nothing is written where a later run has gone on, or somebody has reset it.
UPDATE input_position SET value = ?
WHERE node_id = ? AND part = ?
    AND stream_no = (SELECT no FROM stream WHERE id = ?)
    AND run_no = (SELECT no FROM run WHERE id = ?)

-- name: of_node
SELECT part, value FROM input_position WHERE stream_no = ? AND node_id = ?

-- name: of_stream
SELECT input_position.node_id, input_position.part, input_position.value, run.id
FROM input_position JOIN run ON run.no = input_position.run_no
WHERE input_position.stream_no = :stream_no
    AND (:node_id IS NULL OR input_position.node_id = :node_id)
ORDER BY input_position.node_id, input_position.part

-- name: reset
DELETE FROM input_position
WHERE stream_no = :stream_no AND node_id = :node_id AND (:part IS NULL OR part = :part)
RETURNING part
