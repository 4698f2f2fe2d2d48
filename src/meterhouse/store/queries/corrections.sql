-- The pages give ids only. They differ in the index that leads; the other filters are tested on what
-- it finds. A plus sign keeps the planner from choosing another index.

-- name: page
SELECT id FROM suspense
WHERE id > :after AND (:last IS NULL OR id <= :last)
    AND (:since IS NULL OR +created_at >= :since) AND (:until IS NULL OR +created_at < :until)
    AND (:node IS NULL OR +node_name = :node) AND (:state IS NULL OR +state = :state)
    AND (:text IS NULL OR detail LIKE :text ESCAPE '\')
ORDER BY id LIMIT :limit

-- name: page_of_reason
SELECT id FROM suspense INDEXED BY suspense_by_reason
WHERE reason = :reason AND id > :after AND (:last IS NULL OR id <= :last)
    AND (:since IS NULL OR +created_at >= :since) AND (:until IS NULL OR +created_at < :until)
    AND (:node IS NULL OR +node_name = :node) AND (:state IS NULL OR +state = :state)
    AND (:text IS NULL OR detail LIKE :text ESCAPE '\')
ORDER BY id LIMIT :limit

-- name: page_of_stream
SELECT id FROM suspense INDEXED BY suspense_by_stream
WHERE stream_no = :stream_no AND id > :after AND (:last IS NULL OR id <= :last)
    AND (:since IS NULL OR +created_at >= :since) AND (:until IS NULL OR +created_at < :until)
    AND (:state IS NULL OR +state = :state)
    AND (:text IS NULL OR detail LIKE :text ESCAPE '\')
ORDER BY id LIMIT :limit

-- name: page_of_stream_reason
SELECT id FROM suspense INDEXED BY suspense_by_stream_reason
WHERE stream_no = :stream_no AND reason = :reason
    AND id > :after AND (:last IS NULL OR id <= :last)
    AND (:since IS NULL OR +created_at >= :since) AND (:until IS NULL OR +created_at < :until)
    AND (:node IS NULL OR +node_name = :node) AND (:state IS NULL OR +state = :state)
    AND (:text IS NULL OR detail LIKE :text ESCAPE '\')
ORDER BY id LIMIT :limit

-- name: page_of_stream_node
SELECT id FROM suspense INDEXED BY suspense_by_stream_node
WHERE stream_no = :stream_no AND node_name = :node
    AND id > :after AND (:last IS NULL OR id <= :last)
    AND (:since IS NULL OR +created_at >= :since) AND (:until IS NULL OR +created_at < :until)
    AND (:state IS NULL OR +state = :state)
    AND (:text IS NULL OR detail LIKE :text ESCAPE '\')
ORDER BY id LIMIT :limit

-- name: page_of_all_queued
SELECT id FROM suspense INDEXED BY suspense_all_queued
WHERE state = 'queued' AND id > :after AND (:last IS NULL OR id <= :last)
    AND (:since IS NULL OR +created_at >= :since) AND (:until IS NULL OR +created_at < :until)
    AND (:reason IS NULL OR +reason = :reason) AND (:node IS NULL OR +node_name = :node)
    AND (:text IS NULL OR detail LIKE :text ESCAPE '\')
ORDER BY id LIMIT :limit

-- name: page_of_queued
SELECT id FROM suspense INDEXED BY suspense_queued
WHERE stream_no = :stream_no AND state = 'queued'
    AND id > :after AND (:last IS NULL OR id <= :last)
    AND (:since IS NULL OR +created_at >= :since) AND (:until IS NULL OR +created_at < :until)
    AND (:reason IS NULL OR +reason = :reason) AND (:node IS NULL OR +node_name = :node)
    AND (:text IS NULL OR detail LIKE :text ESCAPE '\')
ORDER BY id LIMIT :limit

-- name: page_of_run
SELECT id FROM suspense INDEXED BY suspense_by_run
WHERE run_no = :run_no AND id > :after AND (:last IS NULL OR id <= :last)
    AND (:stream_no IS NULL OR +stream_no = :stream_no)
    AND (:since IS NULL OR +created_at >= :since) AND (:until IS NULL OR +created_at < :until)
    AND (:reason IS NULL OR +reason = :reason) AND (:node IS NULL OR +node_name = :node)
    AND (:state IS NULL OR +state = :state)
    AND (:text IS NULL OR detail LIKE :text ESCAPE '\')
ORDER BY id LIMIT :limit

-- name: first_since
-- Ids follow time but where a clock was put back: they bound a search, and the time is tested too.
SELECT min(id) FROM suspense INDEXED BY suspense_by_creation WHERE created_at >= ?

-- name: last_until
SELECT max(id) FROM suspense INDEXED BY suspense_by_creation WHERE created_at < ?

-- name: run_no
SELECT no FROM run WHERE id = ?

-- name: stream_no
SELECT no FROM stream WHERE id = ?

-- name: entries
SELECT
    suspense.id, stream.id, stream.name, run.id, suspense.node_id, suspense.node_name,
    suspense.reason, suspense.detail, source.name, suspense.place, suspense.record, suspense.raw,
    suspense.state, suspense.created_at, suspense.updated_at
FROM suspense
CROSS JOIN stream ON stream.no = suspense.stream_no
CROSS JOIN run ON run.no = suspense.run_no
CROSS JOIN source ON source.no = suspense.source_no
WHERE suspense.id IN (SELECT value FROM json_each(?))
ORDER BY suspense.id

-- name: summary
SELECT stream.name, grouped.node_name, grouped.reason, grouped.records
FROM (
    SELECT stream_no, node_name, reason, count(*) AS records FROM suspense
    WHERE :stream_no IS NULL OR stream_no = :stream_no
    GROUP BY stream_no, node_name, reason
) AS grouped
JOIN stream ON stream.no = grouped.stream_no
ORDER BY stream.name, grouped.node_name, grouped.reason

-- name: by_source
SELECT source.name, grouped.records
FROM (
    SELECT source_no, count(*) AS records FROM suspense
    WHERE stream_no = (SELECT no FROM stream WHERE id = ?)
    GROUP BY source_no
) AS grouped
JOIN source ON source.no = grouped.source_no
ORDER BY source.name

-- name: counts
-- The detail is that of the first record: SQLite takes it from the row of the least id.
SELECT node_name, reason, count(*) AS records, detail, min(id)
FROM suspense INDEXED BY suspense_by_run
WHERE run_no = (SELECT no FROM run WHERE id = ?)
GROUP BY node_name, reason ORDER BY records DESC, node_name, reason

-- name: guarded
-- What decides whether records may be touched, for a JSON list of ids.
SELECT
    suspense.id, suspense.state, suspense.provisional, stream.name,
    lease.host, lease.process
FROM suspense
JOIN stream ON stream.no = suspense.stream_no
LEFT JOIN lease ON lease.stream_no = suspense.stream_no
WHERE suspense.id IN (SELECT value FROM json_each(?))

-- name: records
SELECT id, record FROM suspense
WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id

-- name: set_record
UPDATE suspense SET record = ?, updated_at = ? WHERE id = ?

-- name: unreadable
SELECT id FROM suspense
WHERE record IS NULL AND id IN (SELECT value FROM json_each(?))

-- name: delete
DELETE FROM suspense WHERE id IN (SELECT value FROM json_each(?))

-- name: queue
UPDATE suspense SET state = 'queued', updated_at = ?
WHERE state <> 'queued' AND id IN (SELECT value FROM json_each(?))

-- name: purge
-- The oldest that nobody has touched since. What a run may have taken stays until it has ended.
DELETE FROM suspense
WHERE id IN (
    SELECT id FROM suspense INDEXED BY suspense_by_update
    WHERE updated_at < :before
        AND NOT (state = 'queued' AND stream_no IN (SELECT stream_no FROM lease))
    ORDER BY updated_at LIMIT :limit
)
RETURNING id
