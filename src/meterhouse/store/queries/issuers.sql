-- name: insert
INSERT INTO issuer (id, body) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING no

-- name: find
SELECT no, body FROM issuer WHERE id = ?

-- name: page
SELECT body, no FROM issuer WHERE no > ? ORDER BY no LIMIT ?

-- name: update
UPDATE issuer SET body = ? WHERE no = ?

-- name: delete
DELETE FROM issuer WHERE no = ?

-- name: customers
SELECT id FROM customer WHERE issuer_no = ? ORDER BY no LIMIT 1

-- name: invoices
SELECT count(*) FROM invoice WHERE issuer_no = ?
