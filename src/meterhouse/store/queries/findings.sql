-- name: put
INSERT INTO billing_finding (customer_no, period_start, period_end, origin, body, at)
SELECT no, :start, :end, :origin, :body, :at FROM customer WHERE id = :customer
ON CONFLICT DO UPDATE SET body = excluded.body, at = excluded.at
RETURNING customer_no

-- name: find
SELECT origin, billing_finding.body FROM billing_finding JOIN customer ON customer.no = billing_finding.customer_no
WHERE customer.id = :customer AND period_start = :start AND period_end = :end ORDER BY origin
