-- The pages give numbers only. They differ in the index that leads.

-- name: page
SELECT dead_letter.id FROM dead_letter
JOIN run ON run.no = dead_letter.run_no
WHERE dead_letter.id > :after AND dead_letter.redriven_by IS NULL
    AND (:stream_id IS NULL OR run.stream_id = :stream_id)
    AND (:node IS NULL OR dead_letter.node_name = :node OR dead_letter.node_id = :node)
ORDER BY dead_letter.id LIMIT :limit

-- name: page_of_run
SELECT dead_letter.id FROM dead_letter INDEXED BY dead_letter_by_run
WHERE dead_letter.run_no = (SELECT no FROM run WHERE id = :run_id)
    AND dead_letter.id > :after AND dead_letter.redriven_by IS NULL
    AND (:stream_id IS NULL OR (SELECT stream_id FROM run WHERE id = :run_id) = :stream_id)
    AND (:node IS NULL OR dead_letter.node_name = :node OR dead_letter.node_id = :node)
ORDER BY dead_letter.id LIMIT :limit

-- name: counts
SELECT node_name, reason, count(*) AS letters FROM dead_letter INDEXED BY dead_letter_by_run
WHERE run_no = (SELECT no FROM run WHERE id = ?) AND redriven_by IS NULL
GROUP BY node_name, reason ORDER BY letters DESC, node_name, reason

-- name: letters
SELECT
    dead_letter.id, dead_letter.outbox_id, run.stream_id, run.stream_name, run.id,
    dead_letter.node_id, dead_letter.node_name, dead_letter.destination, dead_letter.place,
    dead_letter.key, dead_letter.record, dead_letter.reason, dead_letter.attempts, dead_letter.at
FROM dead_letter
JOIN run ON run.no = dead_letter.run_no
WHERE dead_letter.id IN (SELECT value FROM json_each(?)) AND dead_letter.redriven_by IS NULL
ORDER BY dead_letter.id

-- name: origins
-- What new outputs are made of: the letters of one output stay together, in their order.
SELECT id, outbox_id, channel_no, run_no, node_id, destination, forward FROM dead_letter
WHERE id IN (SELECT value FROM json_each(?)) AND redriven_by IS NULL
ORDER BY outbox_id, id

-- name: insert_output
INSERT INTO outbox (run_no, node_id, spool, destination, forward, channel_no, records)
VALUES (?, ?, '', ?, ?, ?, ?)
RETURNING id

-- name: redrive
UPDATE dead_letter SET redriven_by = ? WHERE id IN (SELECT value FROM json_each(?))

-- name: due_now
UPDATE forward_channel SET due_at = 0 WHERE no = ?

-- name: drop
DELETE FROM dead_letter WHERE id IN (SELECT value FROM json_each(?))
