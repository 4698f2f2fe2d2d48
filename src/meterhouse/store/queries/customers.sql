-- name: insert
INSERT INTO customer (id, issuer_no, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING no

-- name: find
SELECT no, body FROM customer WHERE id = ?

-- name: page
SELECT customer.body, customer.no FROM customer
WHERE customer.no > :after
    AND (:issuer IS NULL OR issuer_no = (SELECT no FROM issuer WHERE id = :issuer))
ORDER BY customer.no LIMIT :limit

-- name: update
UPDATE customer SET issuer_no = ?, body = ? WHERE no = ?

-- name: delete
DELETE FROM customer WHERE no = ?

-- name: clear_users
DELETE FROM customer_user WHERE customer_no = ?

-- name: insert_user
INSERT INTO customer_user (user_id, customer_no) VALUES (?, ?)

-- name: customer_of_user
SELECT customer.id FROM customer_user JOIN customer ON customer.no = customer_user.customer_no
WHERE customer_user.user_id = ?

-- name: invoices
SELECT count(*) FROM invoice WHERE customer_no = ?

-- name: grants
SELECT count(*) FROM credit_grant WHERE customer_no = ?
