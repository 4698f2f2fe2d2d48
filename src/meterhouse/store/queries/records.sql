-- name: page
SELECT record.kind, run.id, record.node_id, record.text, record.no
FROM metered_record AS record
LEFT JOIN run ON run.no = record.run_no
WHERE record.no > :after ORDER BY record.no LIMIT :limit

-- name: page_of_kind
SELECT record.kind, run.id, record.node_id, record.text, record.no
FROM metered_record AS record
LEFT JOIN run ON run.no = record.run_no
WHERE record.no > :after AND record.kind = :kind ORDER BY record.no LIMIT :limit

-- name: page_of_run
SELECT record.kind, :run_id, record.node_id, record.text, record.no
FROM metered_record AS record
WHERE record.no > :after AND record.run_no = (SELECT no FROM run WHERE id = :run_id)
    AND (:kind IS NULL OR +record.kind = :kind)
ORDER BY record.no LIMIT :limit
