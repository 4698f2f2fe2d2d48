-- name: until
SELECT record_no FROM billable_until WHERE record_no < (SELECT max(no) FROM metered_record)

-- name: index
INSERT INTO billable_record (record_no, record_id, user_id, period_end, adjusts, category)
SELECT
    no, json_extract(text, '$.recordId'), json_extract(text, '$.userId'),
    json_extract(text, '$.periodEnd'), json_extract(text, '$.adjusts'),
    (SELECT category FROM meter_type WHERE id = json_extract(text, '$.meterTypeId'))
FROM metered_record
WHERE no > :after AND no <= :until AND kind IN ('golden', 'adjustment')

-- name: move_until
UPDATE billable_until SET record_no = ?

-- name: newest
SELECT max(no) FROM metered_record

-- name: of_customer
-- In the order in which they left: the last one of a family is how its period is. A family of which
-- something is billed is of the customer of that invoice; any other one of that of its user today.
-- The category is that of the golden record: adjustments restate what was used.
-- Texts are read last, of what is wanted: `unbilled` is 1 where only what no invoice bills is.
WITH ours AS (
    SELECT billable.record_no
    FROM customer
    CROSS JOIN customer_user AS pays ON pays.customer_no = customer.no
    CROSS JOIN billable_record AS billable ON billable.user_id = pays.user_id
    WHERE customer.id = :customer
        AND billable.period_end > :after AND billable.period_end <= :until
        AND (:unbilled = 0 OR billable.record_no NOT IN (SELECT record_no FROM billed_record))
        AND NOT EXISTS (
            SELECT 1
            FROM billable_record AS kin
            CROSS JOIN billed_record AS billed ON billed.record_no = kin.record_no
            CROSS JOIN invoice ON invoice.no = billed.invoice_no
            WHERE coalesce(kin.adjusts, kin.record_id)
                = coalesce(billable.adjusts, billable.record_id)
                AND invoice.customer_no <> customer.no
        )
    UNION
    SELECT kin.record_no
    FROM customer
    CROSS JOIN invoice ON invoice.customer_no = customer.no
    CROSS JOIN billed_record AS billed ON billed.invoice_no = invoice.no
    CROSS JOIN billable_record AS billable ON billable.record_no = billed.record_no
    CROSS JOIN billable_record AS kin
        ON coalesce(kin.adjusts, kin.record_id) = coalesce(billable.adjusts, billable.record_id)
    WHERE customer.id = :customer
        AND billable.period_end > :after AND billable.period_end <= :until
        AND (:unbilled = 0 OR kin.record_no NOT IN (SELECT record_no FROM billed_record))
)
SELECT
    billable.record_no, billable.record_id, billable.user_id, billable.period_end, record.text,
    run.id, billable.adjusts, invoice.id, coalesce(golden.category, billable.category)
FROM ours
CROSS JOIN billable_record AS billable ON billable.record_no = ours.record_no
CROSS JOIN metered_record AS record ON record.no = billable.record_no
LEFT JOIN run ON run.no = record.run_no
LEFT JOIN billable_record AS golden ON golden.record_id = billable.adjusts
LEFT JOIN billed_record AS billed ON billed.record_no = billable.record_no
LEFT JOIN invoice ON invoice.no = billed.invoice_no
ORDER BY billable.record_no

-- name: one
SELECT
    billable.record_no, billable.record_id, billable.user_id, billable.period_end, record.text,
    run.id, billable.adjusts, invoice.id, coalesce(golden.category, billable.category)
FROM billable_record AS billable
JOIN metered_record AS record ON record.no = billable.record_no
LEFT JOIN run ON run.no = record.run_no
LEFT JOIN billable_record AS golden ON golden.record_id = billable.adjusts
LEFT JOIN billed_record AS billed ON billed.record_no = billable.record_no
LEFT JOIN invoice ON invoice.no = billed.invoice_no
WHERE billable.record_id = ?

-- name: of_nobody
SELECT billable.user_id, count(*)
FROM billable_record AS billable
LEFT JOIN customer_user AS pays ON pays.user_id = billable.user_id
WHERE billable.period_end > :after AND billable.period_end <= :until AND pays.user_id IS NULL
    AND NOT EXISTS (
        SELECT 1
        FROM billable_record AS kin
        CROSS JOIN billed_record AS billed ON billed.record_no = kin.record_no
        WHERE coalesce(kin.adjusts, kin.record_id)
            = coalesce(billable.adjusts, billable.record_id)
    )
GROUP BY billable.user_id ORDER BY billable.user_id

-- name: files_of_run
SELECT node_id, path, size, modified_ns, etag, record_count FROM consumed_file
WHERE run_no = (SELECT no FROM run WHERE id = ?)
ORDER BY node_id, path

-- name: positions_of_run
SELECT node_id, part, value FROM input_position
WHERE run_no = (SELECT no FROM run WHERE id = ?)
ORDER BY node_id, part

-- name: fed
SELECT id FROM (
    SELECT run.id, run.no
    FROM billable_record AS billable
    JOIN metered_record AS record ON record.no = billable.record_no
    JOIN run AS made ON made.no = record.run_no
    JOIN run ON run.stream_id = made.stream_id AND run.no <= made.no
    WHERE billable.record_id = :record_id AND run.status = 'complete' AND run.at >= :start
    ORDER BY run.no DESC LIMIT 1000
)
ORDER BY no

-- name: files_that_fed
SELECT DISTINCT consumed.node_id, consumed.path, consumed.size, consumed.modified_ns, consumed.etag,
    consumed.record_count
FROM json_each(:runs) AS wanted
JOIN run AS made ON made.id = wanted.value
JOIN stream ON stream.id = made.stream_id
JOIN consumed_file AS consumed ON consumed.stream_no = stream.no
JOIN run ON run.no = consumed.run_no AND run.no <= made.no
WHERE run.status = 'complete' AND run.at >= :start
ORDER BY consumed.path

-- name: open_event_periods
SELECT count(DISTINCT meter.no)
FROM customer
CROSS JOIN customer_user AS pays ON pays.customer_no = customer.no
CROSS JOIN meter ON meter.user_id = pays.user_id
CROSS JOIN event_period AS period ON period.meter_no = meter.no
WHERE customer.id = :customer AND period.closed = 0
    AND period.end_at > :after AND period.end_at <= :until
