-- name: find
SELECT no FROM invoice WHERE id = ?

-- name: ids_numbered
-- Several: a number is unique among those of one issuer.
SELECT id FROM invoice WHERE number = ? ORDER BY no

-- name: beginning
SELECT no FROM invoice
WHERE length(:reference) >= 4 AND substr(id, 1, length(:reference)) = :reference LIMIT 2

-- name: heads
SELECT
    invoice.id, invoice.kind, invoice.status, customer.id, issuer.id, invoice.period_start,
    invoice.period_end, invoice.number, original.id, invoice.body, invoice.created_at,
    invoice.issued_at, invoice.no
FROM invoice
CROSS JOIN customer ON customer.no = invoice.customer_no
CROSS JOIN issuer ON issuer.no = invoice.issuer_no
LEFT JOIN invoice AS original ON original.no = invoice.corrects_no
WHERE invoice.no > :after
    AND (:customer IS NULL OR customer.id = :customer)
    AND (:status IS NULL OR invoice.status = :status)
    AND (:kind IS NULL OR invoice.kind = :kind)
    AND (:since IS NULL OR invoice.period_start >= :since)
    AND (:until IS NULL OR invoice.period_end <= :until)
ORDER BY invoice.no LIMIT :limit

-- name: head
SELECT
    invoice.id, invoice.kind, invoice.status, customer.id, issuer.id, invoice.period_start,
    invoice.period_end, invoice.number, original.id, invoice.body, invoice.created_at,
    invoice.issued_at, invoice.no, invoice.customer_no, invoice.issuer_no
FROM invoice
CROSS JOIN customer ON customer.no = invoice.customer_no
CROSS JOIN issuer ON issuer.no = invoice.issuer_no
LEFT JOIN invoice AS original ON original.no = invoice.corrects_no
WHERE invoice.no = ?

-- name: of_customer
-- The documents of billing runs: those that take another one back have `corrects_no`.
SELECT
    invoice.id, invoice.kind, invoice.status, customer.id, issuer.id, invoice.period_start,
    invoice.period_end, invoice.number, NULL, invoice.body, invoice.created_at,
    invoice.issued_at, invoice.no
FROM customer
CROSS JOIN invoice ON invoice.customer_no = customer.no
CROSS JOIN issuer ON issuer.no = invoice.issuer_no
WHERE customer.id = :customer AND invoice.corrects_no IS NULL AND invoice.status <> 'void'
    AND (:after IS NULL OR invoice.period_end > :after)
ORDER BY invoice.period_start, invoice.no

-- name: count_settled
SELECT count(*) FROM invoice JOIN customer ON customer.no = invoice.customer_no
WHERE customer.id = ? AND invoice.period_start = ? AND invoice.period_end = ?
    AND invoice.corrects_no IS NULL AND invoice.status <> 'draft'

-- name: insert
INSERT INTO invoice (
    id, kind, status, customer_no, issuer_no, period_start, period_end, series, sequence, number,
    corrects_no, body, created_at, issued_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
RETURNING no

-- name: update_draft
UPDATE invoice SET issuer_no = ?, kind = ?, period_start = ?, period_end = ?, body = ?
WHERE no = ? AND status = 'draft'

-- name: set_status
UPDATE invoice SET status = ? WHERE no = ?

-- name: issue
UPDATE invoice
SET status = 'issued', series = ?, sequence = ?, number = ?, body = ?, issued_at = ?
WHERE no = ?

-- name: last_sequence
SELECT coalesce(max(sequence), 0) FROM invoice WHERE issuer_no = ? AND series = ?

-- name: last_body
SELECT body FROM invoice WHERE issuer_no = ? AND series = ? ORDER BY sequence DESC LIMIT 1

-- name: number_taken
SELECT id FROM invoice WHERE issuer_no = ? AND number = ?

-- name: records_of
SELECT record_no, (SELECT id FROM invoice WHERE no = corrects_no) FROM invoice_record
WHERE invoice_no = ? ORDER BY record_no

-- name: clear_records
DELETE FROM invoice_record WHERE invoice_no = ?

-- name: insert_record
INSERT INTO invoice_record (invoice_no, record_no, corrects_no)
VALUES (?, ?, (SELECT no FROM invoice WHERE id = ?))

-- name: billed_of
SELECT billable.record_id, billed.invoice_no
FROM invoice_record AS made_of
CROSS JOIN billed_record AS billed ON billed.record_no = made_of.record_no
CROSS JOIN billable_record AS billable ON billable.record_no = made_of.record_no
WHERE made_of.invoice_no = ? LIMIT 1

-- name: moved_users
-- Users of a draft's records whom its customer has no more, unless a record of the family is billed
-- to the customer: then all of it stays there.
SELECT DISTINCT billable.user_id
FROM invoice AS draft
CROSS JOIN invoice_record AS made_of ON made_of.invoice_no = draft.no
CROSS JOIN billable_record AS billable ON billable.record_no = made_of.record_no
WHERE draft.id = ?
    AND NOT EXISTS (
        SELECT 1 FROM customer_user AS pays
        WHERE pays.user_id = billable.user_id AND pays.customer_no = draft.customer_no
    )
    AND NOT EXISTS (
        SELECT 1
        FROM billable_record AS kin
        CROSS JOIN billed_record AS billed ON billed.record_no = kin.record_no
        WHERE coalesce(kin.adjusts, kin.record_id)
            = coalesce(billable.adjusts, billable.record_id)
    )
ORDER BY billable.user_id LIMIT 20

-- name: claim
INSERT INTO billed_record (record_no, invoice_no)
SELECT record_no, invoice_no FROM invoice_record WHERE invoice_no = ?

-- name: release
DELETE FROM billed_record WHERE invoice_no = ?

-- name: overlapping
SELECT other.number FROM invoice AS other
JOIN invoice AS ours ON ours.no = ?
WHERE other.customer_no = ours.customer_no AND other.no <> ours.no AND other.corrects_no IS NULL
    AND other.status = 'issued'
    AND other.period_start < ours.period_end AND other.period_end > ours.period_start
LIMIT 1

-- name: stale_correction
SELECT other.number FROM invoice_record AS made_of
JOIN invoice AS other ON other.no = made_of.corrects_no
WHERE made_of.invoice_no = ? AND other.status <> 'issued' LIMIT 1

-- name: manual_lines
SELECT id, name, amount, reason, author, added_at, tax FROM manual_line
WHERE invoice_no = ? ORDER BY no

-- name: insert_manual_line
INSERT INTO manual_line (id, name, amount, reason, author, added_at, tax, invoice_no)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: delete_manual_line
DELETE FROM manual_line WHERE invoice_no = ? AND id = ? RETURNING no

-- name: want_file
INSERT INTO invoice_file (invoice_no, version, format) VALUES (?, ?, ?) ON CONFLICT DO NOTHING

-- name: file_version
-- The version that files wanted now belong to: a new one. Whether an older one is in the archive is
-- not certain before it is noted.
SELECT coalesce(max(version), 0) + 1 FROM invoice_file WHERE invoice_no = ?

-- name: give_up_file
DELETE FROM invoice_file
WHERE invoice_no = (SELECT no FROM invoice WHERE id = ?) AND version = ? AND format = ?
    AND archived_at IS NULL

-- name: files_refused
-- Why files were given up, newest first: the log of activities says it.
SELECT detail FROM activity
WHERE object_id = ? AND kind = 'invoice' AND action = 'give up files' ORDER BY no DESC

-- name: file_formats
SELECT DISTINCT format FROM invoice_file WHERE invoice_no = ? ORDER BY format

-- name: files_wanted
SELECT invoice.id, invoice_file.version, json_group_array(invoice_file.format ORDER BY format)
FROM invoice_file
CROSS JOIN invoice ON invoice.no = invoice_file.invoice_no
WHERE invoice_file.archived_at IS NULL
GROUP BY invoice_file.invoice_no, invoice_file.version
ORDER BY invoice_file.invoice_no, invoice_file.version LIMIT ?

-- name: file_made
UPDATE invoice_file SET name = ?, size = ?, sha256 = ?, archived_at = ?
WHERE invoice_no = (SELECT no FROM invoice WHERE id = ?) AND version = ? AND format = ?
    AND archived_at IS NULL

-- name: files_of
SELECT format, name, size, sha256, archived_at FROM invoice_file
WHERE invoice_no = :no AND archived_at IS NOT NULL AND version = (
    SELECT max(version) FROM invoice_file WHERE invoice_no = :no AND archived_at IS NOT NULL
)
ORDER BY format
