-- name: page
SELECT
    suspense.id, stream.id, stream.name, run.id, suspense.node_id, suspense.node_name,
    suspense.reason, suspense.detail, source.name, suspense.place, suspense.record, suspense.raw,
    suspense.state, suspense.created_at, suspense.updated_at, suspense.id
FROM suspense
JOIN stream ON stream.no = suspense.stream_no
JOIN run ON run.no = suspense.run_no
JOIN source ON source.no = suspense.source_no
WHERE suspense.id > :after ORDER BY suspense.id LIMIT :limit

-- name: page_of_stream
SELECT
    suspense.id, stream.id, stream.name, run.id, suspense.node_id, suspense.node_name,
    suspense.reason, suspense.detail, source.name, suspense.place, suspense.record, suspense.raw,
    suspense.state, suspense.created_at, suspense.updated_at, suspense.id
FROM suspense INDEXED BY suspense_by_stream
CROSS JOIN stream ON stream.no = suspense.stream_no
CROSS JOIN run ON run.no = suspense.run_no
CROSS JOIN source ON source.no = suspense.source_no
WHERE suspense.id > :after AND suspense.stream_no = (SELECT no FROM stream WHERE id = :stream_id)
    AND (:reason IS NULL OR suspense.reason = :reason)
ORDER BY suspense.id LIMIT :limit

-- name: page_of_reason
SELECT
    suspense.id, stream.id, stream.name, run.id, suspense.node_id, suspense.node_name,
    suspense.reason, suspense.detail, source.name, suspense.place, suspense.record, suspense.raw,
    suspense.state, suspense.created_at, suspense.updated_at, suspense.id
FROM suspense INDEXED BY suspense_by_reason
CROSS JOIN stream ON stream.no = suspense.stream_no
CROSS JOIN run ON run.no = suspense.run_no
CROSS JOIN source ON source.no = suspense.source_no
WHERE suspense.id > :after AND suspense.reason = :reason
ORDER BY suspense.id LIMIT :limit

-- name: summary
SELECT stream.name, grouped.node_name, grouped.reason, grouped.records
FROM (
    SELECT stream_no, node_name, reason, count(*) AS records FROM suspense
    GROUP BY stream_no, node_name, reason
) AS grouped
JOIN stream ON stream.no = grouped.stream_no
ORDER BY stream.name, grouped.node_name, grouped.reason

-- name: guarded
-- What decides whether records may be touched, for a JSON list of ids.
SELECT
    suspense.id, suspense.state, suspense.provisional, stream.name,
    lease.host, lease.process
FROM suspense
JOIN stream ON stream.no = suspense.stream_no
LEFT JOIN lease ON lease.stream_no = suspense.stream_no
WHERE suspense.id IN (SELECT value FROM json_each(?))

-- name: record
SELECT record FROM suspense WHERE id = ?

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
