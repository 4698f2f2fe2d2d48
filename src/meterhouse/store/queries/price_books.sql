-- name: insert
INSERT INTO price_book_version (
    book_id, version, hash, customer, currency, timezone, valid_from, valid_to, from_at, to_at,
    price_count, format, text, document, created_at, created_by
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: version
SELECT book_id, version, hash, customer, currency, timezone, valid_from, valid_to, price_count,
    format, created_at, created_by, used_at, text, document
FROM price_book_version WHERE book_id = :id AND version = :version

-- name: latest
-- The version that begins last; of several that begin together, the one made last.
SELECT book_id, version, hash, customer, currency, timezone, valid_from, valid_to, price_count,
    format, created_at, created_by, used_at, text, document
FROM price_book_version WHERE book_id = :id ORDER BY from_at DESC, no DESC LIMIT 1

-- name: begun
-- The version that began last before an instant, or at it, and the instant at which it ends by itself.
SELECT book_id, version, hash, customer, currency, timezone, valid_from, valid_to, price_count,
    format, created_at, created_by, used_at, text, document, to_at
FROM price_book_version WHERE book_id = :id AND from_at <= :at
ORDER BY from_at DESC, no DESC LIMIT 1

-- name: page
SELECT book_id, version, hash, customer, currency, timezone, valid_from, valid_to, price_count,
    format, created_at, created_by, used_at, no
FROM price_book_version
WHERE no > :after AND (:id IS NULL OR book_id = :id)
    AND (:customer IS NULL OR customer = :customer)
ORDER BY no LIMIT :limit

-- name: use
UPDATE price_book_version SET used_at = :at
WHERE book_id = :id AND version = :version AND used_at IS NULL

-- name: delete
DELETE FROM price_book_version WHERE book_id = :id AND version = :version
