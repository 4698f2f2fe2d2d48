-- name: insert_activity
INSERT INTO activity (at, actor, action, kind, object_id, detail) VALUES (?, ?, ?, ?, ?, ?)

-- name: page
SELECT at, actor, action, kind, object_id, detail, no FROM activity
WHERE no < :before ORDER BY no DESC LIMIT :limit

-- name: page_of_actor
SELECT at, actor, action, kind, object_id, detail, no FROM activity
WHERE actor = :actor AND no < :before ORDER BY no DESC LIMIT :limit

-- name: page_of_object
SELECT at, actor, action, kind, object_id, detail, no FROM activity
WHERE object_id = :object_id AND (:actor IS NULL OR actor = :actor) AND no < :before
ORDER BY no DESC LIMIT :limit
