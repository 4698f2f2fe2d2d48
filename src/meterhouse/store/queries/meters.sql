-- name: by_id
SELECT * FROM listed_bucket WHERE id = ?

-- name: by_numbers
SELECT * FROM bucket WHERE no IN (SELECT value FROM json_each(?))

-- name: by_users
SELECT * FROM bucket WHERE key_no = ? AND user_id IN (SELECT value FROM json_each(?))

-- The pages differ in the index that leads; the other filters are tested on what it finds.
-- A plus sign keeps the planner from choosing another index.

-- name: page_by_user
SELECT * FROM listed_bucket
WHERE no > :after AND user_id = :user_id
    AND (:type_no IS NULL OR +type_no = :type_no) AND (:key_no IS NULL OR +key_no = :key_no)
ORDER BY no LIMIT :limit

-- name: page_by_type
SELECT * FROM listed_bucket WHERE no > :after AND type_no = :type_no ORDER BY no LIMIT :limit

-- name: page_by_key_type
SELECT * FROM listed_bucket WHERE no > :after AND key_no = :key_no AND type_no = :type_no
ORDER BY no LIMIT :limit

-- name: page_by_prefix
-- By user; the last one of the page before is :user, its meter :after.
SELECT * FROM listed_bucket
WHERE user_id >= :prefix AND user_id < :beyond AND (user_id, no) > (:user, :after)
    AND (:type_no IS NULL OR +type_no = :type_no)
ORDER BY user_id, no LIMIT :limit

-- name: page_by_key_prefix
-- The same within a meter key, where a user has one meter of each type.
SELECT * FROM listed_bucket
WHERE key_no = :key_no AND user_id >= :prefix AND user_id < :beyond
    AND (user_id, type_no) > (:user, :after) AND (:type_no IS NULL OR +type_no = :type_no)
ORDER BY user_id, type_no LIMIT :limit

-- name: page_by_key
SELECT * FROM listed_bucket WHERE no > :after AND key_no = :key_no ORDER BY no LIMIT :limit

-- name: page
SELECT * FROM listed_bucket WHERE no > :after ORDER BY no LIMIT :limit

-- name: key_no
SELECT no FROM meter_key WHERE key = ?

-- name: insert_key
INSERT INTO meter_key (key) VALUES (?) RETURNING no

-- name: type_no
SELECT no FROM meter_type WHERE id = ?

-- name: type_name
SELECT name FROM meter_type WHERE no = ?

-- name: count_by_key
SELECT coalesce(sum(meters), 0) FROM meter_count
WHERE key_no = (SELECT no FROM meter_key WHERE key = ?)

-- name: counts
-- Meter types in use, their categories, and meters, of a meter key.
SELECT
    count(DISTINCT meter_count.type_no), count(DISTINCT meter_type.category),
    coalesce(sum(meter_count.meters), 0)
FROM meter_count
JOIN meter_type ON meter_type.no = meter_count.type_no
WHERE meter_count.meters > 0
    AND meter_count.key_no = (SELECT no FROM meter_key WHERE key = ?)

-- name: all_counts
-- All meter types, their categories, and all meters.
SELECT count(*), count(DISTINCT category), (SELECT coalesce(sum(meters), 0) FROM meter_count)
FROM meter_type

-- name: uses_of_type
-- Streams whose meter key has meters of a type.
SELECT stream.id, stream.name, meter_key.key, meter_count.meters
FROM meter_type
CROSS JOIN meter_count ON meter_count.type_no = meter_type.no AND meter_count.meters > 0
CROSS JOIN meter_key ON meter_key.no = meter_count.key_no
CROSS JOIN stream_meter ON stream_meter.meter_key = meter_key.key
CROSS JOIN stream ON stream.no = stream_meter.stream_no
WHERE meter_type.id = ?
ORDER BY stream.name, meter_key.key

-- name: version_no
SELECT version.no
FROM meter_type
JOIN meter_type_version AS version
    ON version.type_no = meter_type.no AND version.version = meter_type.version
WHERE meter_type.no = ?

-- name: last_no
SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'meter'

-- name: insert_meter
INSERT INTO meter (
    no, id, key_no, user_id, type_no, version_no, own, custom_fields, delete_on_reset, created_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: count_added
INSERT INTO meter_count (key_no, type_no, meters) VALUES (?, ?, ?)
ON CONFLICT (key_no, type_no) DO UPDATE SET meters = meters + excluded.meters

-- name: insert_period
INSERT INTO meter_period (meter_no, key_no, sequence, start_at, end_at, timezone, updated_at)
VALUES (?, ?, 0, ?, ?, ?, ?)

-- name: existing
-- Of a JSON list of [meter key, user id, number of the meter type], those that exist.
SELECT item.value ->> 0, item.value ->> 1, item.value ->> 2
FROM json_each(?) AS item
CROSS JOIN meter_key ON meter_key.key = item.value ->> 0
CROSS JOIN meter ON meter.key_no = meter_key.no AND meter.user_id = item.value ->> 1
    AND meter.type_no = item.value ->> 2
ORDER BY item.key

-- name: update_meter
UPDATE meter SET own = ?, custom_fields = ?, delete_on_reset = ? WHERE no = ?

-- name: touch_period
UPDATE meter_period SET updated_at = max(updated_at, ?) WHERE meter_no = ?

-- name: touch_contents
UPDATE meter_contents SET updated_at = max(updated_at, ?) WHERE meter_no = ?

-- name: running_with_key
SELECT stream.name, run.id, lease.host, lease.process
FROM meter_key
JOIN stream_meter ON stream_meter.meter_key = meter_key.key
JOIN stream ON stream.no = stream_meter.stream_no
JOIN lease ON lease.stream_no = stream.no
JOIN run ON run.no = lease.run_no
WHERE meter_key.no = ?

-- name: delete_meter
DELETE FROM meter WHERE no = ?

-- name: pack
SELECT content FROM group_pack_content WHERE pack_no = ?
