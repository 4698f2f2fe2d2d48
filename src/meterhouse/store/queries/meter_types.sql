-- name: version
-- A meter type as meters of a version see it: columns in the order of the fields of MeterType.
SELECT
    meter_type.id, version.name, version.aggregation, meter_type.reset_schedule,
    meter_type.created_at, meter_type.updated_at, meter_type.category, meter_type.description,
    meter_type.external_ref, version.unit, meter_type.timezone, version.active_from,
    version.active_to, version.capacity, version.thresholds, meter_type.grace,
    meter_type.keep_usage
FROM meter_type_version AS version
JOIN meter_type ON meter_type.no = version.type_no
WHERE version.no = ?

-- name: insert_type
INSERT INTO meter_type (
    id, name, external_ref, description, category, reset_schedule, timezone, grace, keep_usage,
    version, created_at, updated_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)
RETURNING no

-- name: insert_version
INSERT INTO meter_type_version (
    type_no, version, name, unit, aggregation, active_from, active_to, capacity, thresholds
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: update_type
UPDATE meter_type
SET name = ?, external_ref = ?, description = ?, category = ?, reset_schedule = ?, timezone = ?,
    grace = ?, keep_usage = ?, version = ?, updated_at = ?
WHERE no = ?

-- name: current_version
SELECT meter_type.no, meter_type.version, version.name, version.unit, version.aggregation,
    version.active_from, version.active_to, version.capacity, version.thresholds
FROM meter_type
JOIN meter_type_version AS version
    ON version.type_no = meter_type.no AND version.version = meter_type.version
WHERE meter_type.id = ?

-- name: name_taken
SELECT id FROM meter_type WHERE name = ? AND id <> ?

-- name: external_ref_taken
SELECT id FROM meter_type WHERE external_ref = ? AND id <> ?

-- name: number_of_meters
SELECT coalesce(sum(meters), 0) FROM meter_count WHERE type_no = ?

-- name: has_meters
SELECT EXISTS (SELECT 1 FROM meter WHERE type_no = ?)

-- name: delete_type
DELETE FROM meter_type WHERE no = ?

-- name: find_type
-- By id, then by external reference, then by name.
SELECT no FROM (
    SELECT no, 1 AS rank FROM meter_type WHERE id = :reference
    UNION ALL SELECT no, 2 FROM meter_type WHERE external_ref = :reference
    UNION ALL SELECT no, 3 FROM meter_type WHERE name = :reference
)
ORDER BY rank LIMIT 1

-- name: find_type_for_meter
SELECT no FROM (
    SELECT no, 1 AS rank FROM meter_type WHERE id = :reference
    UNION ALL SELECT no, 2 FROM meter_type WHERE external_ref = :reference
)
ORDER BY rank LIMIT 1

-- name: page
-- Columns in the order of the fields of MeterType; then the number of meters and the cursor.
SELECT
    meter_type.id, meter_type.name, version.aggregation, meter_type.reset_schedule,
    meter_type.created_at, meter_type.updated_at, meter_type.category, meter_type.description,
    meter_type.external_ref, version.unit, meter_type.timezone, version.active_from,
    version.active_to, version.capacity, version.thresholds, meter_type.grace,
    meter_type.keep_usage, version.no, meter_type.no
FROM meter_type
JOIN meter_type_version AS version
    ON version.type_no = meter_type.no AND version.version = meter_type.version
WHERE meter_type.no > :after AND (:name IS NULL OR meter_type.name = :name)
ORDER BY meter_type.no LIMIT :limit
