-- name: page
SELECT node_id, scope, key, state, created_at, updated_at, timeout_at, aggregate_session.no
FROM aggregate_session
WHERE stream_no = (SELECT no FROM stream WHERE id = :stream_id)
    AND aggregate_session.no > :after AND (:node_id IS NULL OR node_id = :node_id)
ORDER BY aggregate_session.no LIMIT :limit
