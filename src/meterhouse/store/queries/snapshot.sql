-- name: key_no
SELECT no FROM meter_key WHERE key = ?

-- name: expired
-- Left out are meters that a flush would leave as they are: retired (over,
-- and untouched in this period) and not to be deleted.
SELECT meter_period.meter_no
FROM meter_period
JOIN meter ON meter.no = meter_period.meter_no
JOIN meter_type_version AS version ON version.no = meter.version_no
LEFT JOIN meter_contents ON meter_contents.meter_no = meter_period.meter_no
WHERE meter_period.key_no = :key_no AND meter_period.end_at <= :at
    AND NOT (
        meter_contents.meter_no IS NULL
        AND NOT meter.delete_on_reset
        AND coalesce(
            iif(json_type(meter.own, '$.activeTo') IS NULL,
                version.active_to, meter.own ->> '$.activeTo'),
            9223372036854775807
        ) <= :at
    )
ORDER BY meter_period.meter_no

-- name: all
SELECT meter_no FROM meter_period WHERE key_no = :key_no ORDER BY meter_no

-- name: has_event_meters
SELECT EXISTS (SELECT 1 FROM meter_period WHERE key_no = -:key_no)

-- name: due_events
-- Event-time meters of which a period closes; not those that are over and hold nothing open,
-- unless they are to be deleted.
SELECT meter_period.meter_no
FROM meter_period
JOIN meter ON meter.no = meter_period.meter_no
JOIN meter_type ON meter_type.no = meter.type_no
JOIN meter_type_version AS version ON version.no = meter.version_no
WHERE meter_period.key_no = -:key_no AND meter_period.end_at <= :at
    AND meter_period.end_at + meter_type.grace <= :at
    AND (
        meter.delete_on_reset
        OR coalesce(
            iif(json_type(meter.own, '$.activeTo') IS NULL,
                version.active_to, meter.own ->> '$.activeTo'),
            9223372036854775807
        ) > :at
        OR EXISTS (
            SELECT 1 FROM event_period WHERE event_period.meter_no = meter.no AND closed = 0
        )
    )
UNION
SELECT event_period.meter_no
FROM event_period
JOIN meter ON meter.no = event_period.meter_no
JOIN meter_type ON meter_type.no = meter.type_no
WHERE event_period.key_no = :key_no AND event_period.closed = 0 AND event_period.end_at <= :at
    AND event_period.end_at + meter_type.grace <= :at

-- name: open_periods
SELECT * FROM period_bucket
WHERE no IN (SELECT value FROM json_each(?)) AND closed = 0

-- name: periods
-- Of a JSON list of [meter number, start].
SELECT period_bucket.*
FROM json_each(?) AS place
CROSS JOIN period_bucket
    ON period_bucket.no = place.value ->> 0 AND period_bucket.start_at = place.value ->> 1

-- name: adjustments_due
SELECT record.no, record.text
FROM adjustment_due
JOIN metered_record AS record ON record.no = adjustment_due.record_no
WHERE adjustment_due.key_no = ? ORDER BY record.no

-- name: identity_columns
-- Whole columns as three texts: many times fewer objects than rows. The order of the inner
-- query is the order of all three.
SELECT json_group_array(no), json_group_array(user_id), json_group_array(version_no), max(no)
FROM (
    SELECT no, user_id, version_no FROM meter
    WHERE key_no = ? AND no > ? ORDER BY no LIMIT ?
)

-- name: own_profiles
SELECT no, version_no, own FROM meter WHERE key_no = ? AND own IS NOT NULL

-- name: contents_lines
SELECT
    CAST(group_concat(no || char(28) || contents || char(28) || pack, char(10)) AS BLOB), max(no)
FROM (
    SELECT meter.no, meter_contents.contents, coalesce(meter_contents.pack_no, '') AS pack
    FROM meter
    JOIN meter_contents ON meter_contents.meter_no = meter.no
    WHERE meter.key_no = ? AND meter.no > ? ORDER BY meter.no LIMIT ?
)

-- name: stream_no
SELECT no FROM stream WHERE id = ?

-- name: consumed
SELECT path, size, modified_ns, etag, record_count FROM consumed_file WHERE stream_no = ? AND node_id = ?

-- name: requeued
SELECT suspense.id, suspense.node_id, suspense.record, source.name, suspense.place
FROM suspense INDEXED BY suspense_queued
CROSS JOIN source ON source.no = suspense.source_no
WHERE suspense.stream_no = ? AND suspense.state = 'queued' ORDER BY suspense.id

-- name: dedup_node
SELECT no FROM dedup_node WHERE stream_no = ? AND node_id = ?

-- name: has_keys
SELECT EXISTS (SELECT 1 FROM dedup_key WHERE node_no = ?)

-- name: seen
-- Places, from 0, of those of many 16-byte digests in a row that are remembered.
WITH RECURSIVE counter (place) AS (
    SELECT 0 UNION ALL SELECT place + 1 FROM counter WHERE place + 1 < :count
)
SELECT counter.place
FROM counter
CROSS JOIN dedup_key
WHERE dedup_key.node_no = :node_no
    AND dedup_key.digest = substr(:digests, counter.place * 16 + 1, 16)
    AND dedup_key.expires_at > :at

-- name: script_store
SELECT key, value FROM script_store WHERE stream_no = ? AND node_id = ?

-- name: sessions
SELECT key, state, created_at, updated_at, timeout_at
FROM aggregate_session
WHERE stream_no = :stream_no AND node_id = :node_id AND scope = :scope
    AND key IN (SELECT value FROM json_each(:keys)) AND updated_at > :since

-- name: due_sessions
SELECT key, state, created_at, updated_at, timeout_at
FROM aggregate_session
WHERE stream_no = :stream_no AND node_id = :node_id AND scope = :scope
    AND timeout_at <= :at AND updated_at > :since
ORDER BY timeout_at, key

-- name: keys_of_day
SELECT dedup_day.keys
FROM dedup_node
JOIN dedup_day ON dedup_day.node_no = dedup_node.no
WHERE dedup_node.stream_no = :stream_no AND dedup_node.node_id = :node_id
    AND dedup_day.day = :day AND dedup_day.expires_at > :at
ORDER BY dedup_day.part
