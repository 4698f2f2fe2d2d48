-- name: page
SELECT
    schedule.id, schedule.rule, schedule.enabled, schedule.created_at, schedule.updated_at,
    stream.id, stream.name, stream_group.id, stream_group.name,
    schedule.next_at, schedule.claimed, schedule.last_at, schedule.skipped, schedule.skipped_at,
    schedule.no
FROM schedule
LEFT JOIN stream ON stream.no = schedule.stream_no
LEFT JOIN stream_group ON stream_group.no = schedule.group_no
WHERE schedule.no > :after ORDER BY schedule.no LIMIT :limit

-- name: of_stream
SELECT schedule.no FROM schedule JOIN stream ON stream.no = schedule.stream_no
WHERE stream.id = ?

-- name: of_group
SELECT schedule.no FROM schedule JOIN stream_group ON stream_group.no = schedule.group_no
WHERE stream_group.id = ?

-- name: by_id
SELECT no FROM schedule WHERE id = ?

-- name: due
-- What has come, and what was claimed: its run may have been killed.
SELECT no FROM schedule WHERE next_at <= :at
UNION
SELECT no FROM schedule WHERE claimed IS NOT NULL AND enabled = 1
ORDER BY no

-- name: insert
INSERT INTO schedule (id, stream_no, group_no, rule, enabled, next_at, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: change
UPDATE schedule SET rule = ?, enabled = ?, next_at = ?, updated_at = ? WHERE no = ?

-- name: delete
DELETE FROM schedule WHERE no = ?

-- name: seen
-- The schedule, where it is still as it was when it was looked at.
SELECT no FROM schedule
WHERE id = :id AND next_at IS :next_at AND claimed IS :claimed AND updated_at = :updated_at

-- name: advance
UPDATE schedule SET next_at = ?, claimed = ?, last_at = ? WHERE no = ?

-- name: claim_again
UPDATE schedule SET claimed = ? WHERE no = ?

-- name: skip
UPDATE schedule SET next_at = ?, skipped = skipped + 1, skipped_at = ? WHERE no = ?

-- name: drop_claim
UPDATE schedule SET claimed = NULL, skipped = skipped + 1, skipped_at = ? WHERE no = ?
