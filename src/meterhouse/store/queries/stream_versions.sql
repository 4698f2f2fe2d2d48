-- name: insert
INSERT INTO stream_version (
    id, stream_no, tag, description, created_at, created_by, document, meter_keys
) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: tag_taken
SELECT 1 FROM stream_version WHERE stream_no = ? AND tag = ?

-- name: latest_document
SELECT document FROM stream_version WHERE stream_no = ? ORDER BY no DESC LIMIT 1

-- name: find
SELECT
    id, :stream_id, tag, description, created_at, created_by, document, meter_keys, no
FROM stream_version
WHERE stream_no = (SELECT no FROM stream WHERE id = :stream_id)
    AND (tag = :reference OR id = :reference)
LIMIT 1

-- name: page
SELECT
    id, :stream_id, tag, description, created_at, created_by, document, meter_keys, no
FROM stream_version
WHERE stream_no = (SELECT no FROM stream WHERE id = :stream_id) AND no < :before
ORDER BY no DESC LIMIT :limit
