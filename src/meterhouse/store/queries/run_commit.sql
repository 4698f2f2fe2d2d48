-- name: update_period
UPDATE meter_period
SET sequence = ?, start_at = ?, end_at = ?, timezone = ?, updated_at = ?
WHERE meter_no = ?

-- name: put_contents
INSERT INTO meter_contents (meter_no, updated_at, contents, pack_no) VALUES (?, ?, ?, ?)
ON CONFLICT (meter_no) DO UPDATE SET
    updated_at = excluded.updated_at, contents = excluded.contents, pack_no = excluded.pack_no

-- name: has_packs
SELECT EXISTS (SELECT 1 FROM group_pack)

-- name: leave_packs
-- Before rows of meters, whose numbers are a JSON list, are replaced: their packs count down.
UPDATE group_pack SET meters = group_pack.meters - gone.meters
FROM (
    SELECT pack_no, count(*) AS meters
    FROM meter_contents
    WHERE meter_no IN (SELECT value FROM json_each(?)) AND pack_no IS NOT NULL
    GROUP BY pack_no
) AS gone
WHERE group_pack.no = gone.pack_no

-- name: insert_pack
INSERT INTO group_pack (meters) VALUES (?) RETURNING no

-- name: insert_pack_content
INSERT INTO group_pack_content (pack_no, content) VALUES (?, ?)

-- name: clear_contents
DELETE FROM meter_contents WHERE meter_no = ?

-- name: put_period
INSERT INTO event_period (
    meter_no, start_at, end_at, sequence, key_no, closed, adjustments, updated_at, contents
) SELECT ?1, ?2, ?3, ?4, key_no, ?5, ?6, ?7, ?8 FROM meter WHERE no = ?1
ON CONFLICT (meter_no, start_at) DO UPDATE
SET closed = excluded.closed, adjustments = excluded.adjustments,
    updated_at = excluded.updated_at, contents = excluded.contents

-- name: release_adjustment
DELETE FROM adjustment_due WHERE record_no = ?

-- name: give_run
UPDATE metered_record SET run_no = ? WHERE no = ?

-- name: delete_meter
DELETE FROM meter WHERE no = ?

-- name: insert_record
INSERT INTO metered_record (record_id, kind, run_no, node_id, text) VALUES (?, ?, ?, ?, ?)

-- name: source_no
SELECT no FROM source WHERE name = ?

-- name: insert_source
INSERT INTO source (name) VALUES (?) RETURNING no

-- name: insert_suspense
INSERT INTO suspense (
    stream_no, run_no, node_id, node_name, reason, detail, source_no, place, state, provisional,
    created_at, updated_at, record, raw
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, ?)

-- name: replace_provisional
-- What failed runs left of an input that has been read again, up to a place.
DELETE FROM suspense
WHERE stream_no = ? AND provisional = 1 AND place <= ?
    AND source_no = (SELECT no FROM source WHERE name = ?)

-- name: has_provisional
SELECT EXISTS (SELECT 1 FROM suspense WHERE stream_no = ? AND provisional = 1)

-- name: delete_suspense
DELETE FROM suspense WHERE id = ?

-- name: insert_consumed
INSERT INTO consumed_file (stream_no, node_id, path, size, modified_ns, etag, run_no, record_count)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (stream_no, node_id, path) DO UPDATE
SET
    size = excluded.size,
    modified_ns = excluded.modified_ns,
    etag = excluded.etag,
    run_no = excluded.run_no,
    record_count = excluded.record_count

-- name: dedup_node
SELECT no, swept FROM dedup_node WHERE stream_no = ? AND node_id = ?

-- name: insert_dedup_node
INSERT INTO dedup_node (stream_no, node_id) VALUES (?, ?) RETURNING no, swept

-- name: insert_keys
-- :digests is many 16-byte digests in a row: binding one value for all of them is four times
-- as fast as one for each.
WITH RECURSIVE counter (place) AS (
    SELECT 0 UNION ALL SELECT place + 1 FROM counter WHERE place + 1 < :count
)
INSERT OR REPLACE INTO dedup_key (node_no, digest, expires_at)
SELECT :node_no, substr(:digests, place * 16 + 1, 16), :expires_at FROM counter

-- name: sweep_end
SELECT digest FROM dedup_key WHERE node_no = ? AND digest > ?
ORDER BY digest LIMIT 1 OFFSET ?

-- name: sweep
DELETE FROM dedup_key
WHERE node_no = :node_no AND digest > :start AND (:end IS NULL OR digest <= :end)
    AND expires_at <= :at

-- name: swept
UPDATE dedup_node SET swept = ? WHERE no = ?

-- name: forget_days
DELETE FROM dedup_day WHERE node_no = ? AND expires_at <= ?

-- name: clear_day
DELETE FROM dedup_day WHERE node_no = ? AND day = ?

-- name: add_keys_of_day
INSERT INTO dedup_day (node_no, day, part, expires_at, keys)
SELECT :node_no, :day, coalesce(max(part), 0) + 1, :expires_at, :keys
FROM dedup_day WHERE node_no = :node_no AND day = :day

-- name: insert_outbox
INSERT INTO outbox (run_no, node_id, spool, destination, storage, forward, channel_no, records)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: put_value
INSERT OR REPLACE INTO script_store (stream_no, node_id, key, value) VALUES (?, ?, ?, ?)

-- name: delete_value
DELETE FROM script_store WHERE stream_no = ? AND node_id = ? AND key = ?

-- name: put_session
INSERT INTO aggregate_session (
    stream_no, node_id, scope, key, state, created_at, updated_at, timeout_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (stream_no, node_id, scope, key) DO UPDATE
SET state = excluded.state, created_at = excluded.created_at,
    updated_at = excluded.updated_at, timeout_at = excluded.timeout_at

-- name: delete_session
DELETE FROM aggregate_session WHERE stream_no = ? AND node_id = ? AND scope = ? AND key = ?

-- name: forget_sessions
DELETE FROM aggregate_session WHERE stream_no = ? AND updated_at <= ?
