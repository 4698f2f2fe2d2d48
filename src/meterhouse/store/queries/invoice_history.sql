-- name: last
SELECT no, at, actor, action, invoice, detail, previous, hash FROM invoice_history
ORDER BY no DESC LIMIT 1

-- name: insert
INSERT INTO invoice_history (no, at, actor, action, invoice, detail, previous, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: page
SELECT no, at, actor, action, invoice, detail, previous, hash FROM invoice_history
WHERE no > :after AND no <= :until ORDER BY no LIMIT :limit

-- name: page_of_invoice
SELECT no, at, actor, action, invoice, detail, previous, hash FROM invoice_history
WHERE invoice = :invoice AND no > :after AND no <= :until ORDER BY no LIMIT :limit

-- name: archived_as
SELECT invoice FROM invoice_history
WHERE action = 'archived' AND json_extract(detail, '$.number') = :number
GROUP BY invoice ORDER BY min(no)

-- name: is_known
SELECT EXISTS (SELECT 1 FROM invoice_history WHERE invoice = :invoice)

-- name: last_segment
SELECT coalesce(max(last), 0) FROM invoice_history_segment

-- name: insert_segment
INSERT INTO invoice_history_segment (first, last) VALUES (?, ?)

-- name: segments
SELECT first, last, archived_at FROM invoice_history_segment ORDER BY first

-- name: segment_archived
UPDATE invoice_history_segment SET archived_at = :at WHERE first = :first AND archived_at IS NULL
