-- name: run
SELECT id FROM run WHERE id >= :prefix AND id < :beyond LIMIT 2

-- name: meter
SELECT id FROM meter WHERE id >= :prefix AND id < :beyond LIMIT 2

-- name: meter_type
SELECT id FROM meter_type WHERE id >= :prefix AND id < :beyond LIMIT 2

-- name: meter_key
SELECT key FROM meter_key WHERE key >= :prefix AND key < :beyond
UNION SELECT meter_key FROM stream_meter WHERE meter_key >= :prefix AND meter_key < :beyond
LIMIT 2
