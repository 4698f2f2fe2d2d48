-- name: all
SELECT signing_key.kid, signing_key.created_at, signing_key.retired_at,
    sealed_value.purpose, sealed_value.id, sealed_value.version, sealed_value.content
FROM signing_key
CROSS JOIN sealed_value ON sealed_value.purpose = :purpose AND sealed_value.id = signing_key.kid
ORDER BY signing_key.no

-- name: by_kid
SELECT signing_key.kid, signing_key.created_at, signing_key.retired_at,
    sealed_value.purpose, sealed_value.id, sealed_value.version, sealed_value.content
FROM signing_key
CROSS JOIN sealed_value ON sealed_value.purpose = :purpose AND sealed_value.id = signing_key.kid
WHERE signing_key.kid = :kid

-- name: insert
INSERT INTO signing_key (kid, created_at) VALUES (?, ?)

-- name: retire
UPDATE signing_key SET retired_at = ? WHERE retired_at IS NULL

-- name: forget
DELETE FROM signing_key WHERE retired_at <= ? RETURNING kid
