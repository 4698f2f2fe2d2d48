-- name: runs
SELECT status, count(*) FROM run GROUP BY status

-- name: meters
SELECT count(*) FROM meter

-- name: meter_types
SELECT count(*) FROM meter_type

-- name: pending
SELECT count(*) FROM outbox WHERE delivered_at IS NULL

-- name: oldest_pending
-- When the run ended whose output has waited longest.
SELECT coalesce(run.ended_at, run.started_at)
FROM outbox INDEXED BY outbox_pending
JOIN run ON run.no = outbox.run_no
WHERE outbox.delivered_at IS NULL ORDER BY outbox.id LIMIT 1

-- name: dead_letters
SELECT count(*) FROM dead_letter WHERE redriven_by IS NULL

-- name: stuck
SELECT count(*) FROM outbox INDEXED BY outbox_pending WHERE delivered_at IS NULL AND error IS NOT NULL

-- name: suspended
SELECT reason, count(*) FROM suspense GROUP BY reason

-- name: future_clocks
-- Streams whose last complete run has a clock that has not come yet.
SELECT stream.name, (
    SELECT run.at FROM run
    WHERE run.stream_id = stream.id AND run.status = 'complete' ORDER BY run.no DESC LIMIT 1
) AS last_at
FROM stream WHERE last_at > ? ORDER BY stream.name

-- name: orphaned_meters
-- Meter keys with meters that no stream has.
SELECT meter_key.key, sum(meter_count.meters)
FROM meter_count JOIN meter_key ON meter_key.no = meter_count.key_no
WHERE meter_count.meters > 0
    AND NOT EXISTS (SELECT 1 FROM stream_meter WHERE stream_meter.meter_key = meter_key.key)
GROUP BY meter_key.key ORDER BY meter_key.key
