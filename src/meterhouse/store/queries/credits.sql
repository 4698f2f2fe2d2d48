-- name: insert
INSERT INTO credit_grant (
    id, customer_no, name, amount, currency, priority, effective, expires, paid, granted_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: page
SELECT
    grant_.id, customer.id, grant_.name, grant_.amount, grant_.currency, grant_.priority,
    grant_.effective, grant_.expires, grant_.paid, grant_.granted_at, grant_.no
FROM credit_grant AS grant_
JOIN customer ON customer.no = grant_.customer_no
WHERE grant_.no > :after AND (:customer IS NULL OR customer.id = :customer)
ORDER BY grant_.no LIMIT :limit

-- name: find
SELECT
    grant_.id, customer.id, grant_.name, grant_.amount, grant_.currency, grant_.priority,
    grant_.effective, grant_.expires, grant_.paid, grant_.granted_at, grant_.no
FROM credit_grant AS grant_
JOIN customer ON customer.no = grant_.customer_no
WHERE substr(grant_.id, 1, length(:reference)) = :reference
ORDER BY grant_.id LIMIT 2

-- name: entries
SELECT entry.at, invoice.id, entry.amount
FROM credit_entry AS entry
JOIN credit_grant AS grant_ ON grant_.no = entry.grant_no
JOIN invoice ON invoice.no = entry.invoice_no
WHERE grant_.no = ? ORDER BY entry.no

-- name: insert_entry
INSERT INTO credit_entry (grant_no, invoice_no, amount, at) VALUES (?, ?, ?, ?)

-- name: entries_of_invoice
SELECT grant_no, amount FROM credit_entry WHERE invoice_no = ? ORDER BY no
