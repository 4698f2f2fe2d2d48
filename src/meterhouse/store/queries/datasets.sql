-- name: insert_version
INSERT INTO dataset_version (name, major, minor, patch, sha256, text, published_at)
VALUES (:name, :major, :minor, :patch, :sha256, :text, :at)

-- name: versions
SELECT name, major, minor, patch, text, sha256, published_at FROM dataset_version
WHERE name = :name AND (:major IS NULL OR major = :major) ORDER BY major, minor, patch

-- name: page
-- Each dataset at the place of its first publication.
SELECT name, no FROM dataset_version AS first
WHERE no > :after AND NOT EXISTS (
    SELECT 1 FROM dataset_version AS earlier
    WHERE earlier.name = first.name AND earlier.no < first.no
)
ORDER BY no LIMIT :limit

-- name: totals
SELECT count(*), coalesce(sum(row_count), 0) FROM dataset_file
WHERE dataset = :name AND (:ob IS NULL OR ob IN (:ob, ''))

-- name: insert_file
INSERT INTO dataset_file (
    id, dataset, major, minor, patch, ob, day, name, hour, row_count, size, sha256, added_at
) VALUES (
    :id, :dataset, :major, :minor, :patch, :ob, :day, :name, :hour, :rows, :size, :sha256,
    :added_at
)

-- name: file
SELECT id, dataset, major, minor, patch, ob, day, name, row_count, size, sha256, added_at
FROM dataset_file WHERE id = :id

-- name: files
SELECT id, dataset, major, minor, patch, ob, day, name, row_count, size, sha256, added_at, no
FROM dataset_file
WHERE dataset = :dataset AND (day, name, no) > (:after_day, :after_name, :after_no)
    AND (:major IS NULL OR major = :major)
    AND (:ob IS NULL OR ob IN (:ob, ''))
    AND (:since IS NULL OR day >= :since) AND (:until IS NULL OR day <= :until)
ORDER BY day, name, no LIMIT :limit

-- name: snapshot
-- Without an OB, that of all OBs: never another one's own.
SELECT id, dataset, major, minor, patch, ob, day, name, row_count, size, sha256, added_at
FROM dataset_file
WHERE dataset = :dataset AND day = '' AND ob IN (coalesce(:ob, ''), '')
    AND (:until IS NULL OR hour <= :until)
ORDER BY hour DESC, major DESC, no DESC LIMIT 1

-- name: oldest_snapshot
SELECT id, dataset, major, minor, patch, ob, day, name, row_count, size, sha256, added_at
FROM dataset_file
WHERE dataset = :dataset AND day = '' AND ob IN (coalesce(:ob, ''), '')
ORDER BY hour, no LIMIT 1

-- name: files_called
SELECT id, dataset, major, minor, patch, ob, day, name, row_count, size, sha256, added_at
FROM dataset_file WHERE name = ? ORDER BY no
