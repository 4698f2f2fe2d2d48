-- name: insert
INSERT INTO notification_group (
    id, name, description, events, emails, every_stream, created_at, updated_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
RETURNING no

-- name: update
UPDATE notification_group
SET name = ?, description = ?, events = ?, emails = ?, every_stream = ?, updated_at = ?
WHERE no = ?

-- name: name_taken
SELECT 1 FROM notification_group WHERE name = ?

-- name: find
-- By id, then by name.
SELECT no FROM (
    SELECT no, 1 AS rank FROM notification_group WHERE id = :reference
    UNION ALL SELECT no, 2 FROM notification_group WHERE name = :reference
)
ORDER BY rank LIMIT 1

-- name: page
SELECT id, name, description, events, emails, every_stream, created_at, updated_at, no
FROM notification_group WHERE no > ? ORDER BY no LIMIT ?

-- name: for_stream
-- The groups that a stream is of.
SELECT id, name, description, events, emails, every_stream, created_at, updated_at, no
FROM notification_group
WHERE every_stream = 1 OR no IN (
    SELECT notification_stream.group_no
    FROM stream
    JOIN notification_stream ON notification_stream.stream_no = stream.no
    WHERE stream.id = ?
)
ORDER BY no

-- name: webhooks
-- A secret is there as long as a webhook names it.
SELECT notification_webhook.uri, notification_webhook.secret_id, secret.name
FROM notification_webhook
JOIN secret ON secret.id = notification_webhook.secret_id
WHERE notification_webhook.group_no = ? ORDER BY notification_webhook.position

-- name: streams
SELECT stream.id, stream.name
FROM notification_stream
JOIN stream ON stream.no = notification_stream.stream_no
WHERE notification_stream.group_no = ? ORDER BY notification_stream.position

-- name: insert_webhook
INSERT INTO notification_webhook (group_no, position, uri, secret_id) VALUES (?, ?, ?, ?)

-- name: insert_stream
INSERT INTO notification_stream (group_no, position, stream_no) VALUES (?, ?, ?)

-- name: delete_webhooks
DELETE FROM notification_webhook WHERE group_no = ?

-- name: delete_streams
DELETE FROM notification_stream WHERE group_no = ?

-- name: delete
DELETE FROM notification_group WHERE no = ?

-- name: groups_of_secret
SELECT DISTINCT notification_group.name
FROM notification_webhook
JOIN notification_group ON notification_group.no = notification_webhook.group_no
WHERE notification_webhook.secret_id = ?

-- name: told_at
SELECT at FROM notification_told WHERE group_no = ? AND stream_id = ? AND event = ?

-- name: put_told
INSERT INTO notification_told (group_no, stream_id, event, at) VALUES (?, ?, ?, ?)
ON CONFLICT (group_no, stream_id, event) DO UPDATE SET at = excluded.at

-- name: insert_output
INSERT INTO outbox (run_no, node_id, spool, destination, forward, channel_no, records)
VALUES (?, ?, '', ?, ?, ?, ?)
RETURNING id

-- name: insert_message
INSERT INTO notification_message (outbox_id, place, mark, key, record) VALUES (?, ?, ?, ?, ?)

-- name: messages
SELECT place, mark, key, record FROM notification_message WHERE outbox_id = ? ORDER BY place

-- name: forget_messages
DELETE FROM notification_message WHERE outbox_id = ?
