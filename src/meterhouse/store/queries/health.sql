-- name: runs
SELECT status, count(*) FROM run GROUP BY status

-- name: meters
SELECT count(*) FROM meter

-- name: meter_types
SELECT count(*) FROM meter_type

-- name: pending
SELECT count(*) FROM outbox WHERE delivered_at IS NULL

-- name: suspended
SELECT reason, count(*) FROM suspense GROUP BY reason
