-- name: rule_no
SELECT no FROM usage_rule WHERE text = ?

-- name: insert_rule
INSERT INTO usage_rule (text) VALUES (?) RETURNING no

-- name: source_no
SELECT no FROM usage_source WHERE name = ?

-- name: insert_source
INSERT INTO usage_source (name) VALUES (?) RETURNING no

-- name: insert_usage
INSERT INTO metered_usage (
    meter_no, start_at, identity, timestamp, value, rule_no, fields, source_no, place,
    metered_at, run_no
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_amended
-- It takes the place of the one that it replaces, in order of arrival too.
INSERT INTO metered_usage (
    meter_no, start_at, identity, timestamp, value, rule_no, fields, source_no, place,
    metered_at, arrival
)
SELECT
    meter_no, ?2, identity, ?3, ?4, rule_no, ?5, source_no, place,
    ?6, coalesce(arrival, no)
FROM metered_usage WHERE no = ?1
RETURNING no

-- name: void
UPDATE metered_usage SET voided_at = ?, replaced_by = ? WHERE no = ?

-- name: replaced_by
UPDATE metered_usage SET replaced_by = ? WHERE no = ?

-- name: of_identity
SELECT usage.no, usage.start_at, usage.timestamp, usage.value, usage_rule.text, usage.fields,
    usage.voided_at
FROM metered_usage AS usage
JOIN usage_rule ON usage_rule.no = usage.rule_no
WHERE usage.meter_no = ? AND usage.identity = ? ORDER BY usage.no

-- name: of_period
SELECT usage.value, usage_rule.text, usage.fields
FROM metered_usage AS usage
JOIN usage_rule ON usage_rule.no = usage.rule_no
WHERE usage.meter_no = ? AND usage.start_at = ? AND usage.voided_at IS NULL
ORDER BY coalesce(usage.arrival, usage.no), usage.no

-- name: kept
-- A record's text tells the start of its period to the millisecond. What was void before an
-- instant, or came later, is not of the usage before it.
SELECT
    usage.identity, usage.timestamp, usage.value, usage_rule.text, usage.fields,
    usage_source.name, usage.place
FROM meter
CROSS JOIN metered_usage AS usage ON usage.meter_no = meter.no
JOIN usage_rule ON usage_rule.no = usage.rule_no
LEFT JOIN usage_source ON usage_source.no = usage.source_no
WHERE meter.id = :meter_id AND usage.start_at >= :start AND usage.start_at < :start + 1000
    AND (usage.voided_at IS NULL OR usage.voided_at >= :before)
    AND (:before IS NULL OR usage.metered_at < :before)
ORDER BY coalesce(usage.arrival, usage.no), usage.no LIMIT :limit

-- name: kept_of_gone
-- The same of a meter that is gone.
SELECT
    usage.identity, usage.timestamp, usage.value, usage_rule.text, usage.fields,
    usage_source.name, usage.place
FROM gone_usage AS usage
JOIN usage_rule ON usage_rule.no = usage.rule_no
LEFT JOIN usage_source ON usage_source.no = usage.source_no
WHERE usage.meter_no = :meter_no AND usage.start_at >= :start AND usage.start_at < :start + 1000
    AND (usage.voided_at IS NULL OR usage.voided_at >= :before)
    AND (:before IS NULL OR usage.metered_at < :before)
ORDER BY usage.arrival, usage.no LIMIT :limit

-- name: keeper
-- How a meter folds; NULL where it keeps no single usage. And whether it has usage of the period.
SELECT
    iif(meter_type.grace IS NOT NULL AND meter_type.keep_usage, version.aggregation, NULL),
    EXISTS (
        SELECT 1 FROM event_period AS period
        WHERE period.meter_no = meter.no
            AND period.start_at >= :start AND period.start_at < :start + 1000
    )
FROM meter
CROSS JOIN meter_type_version AS version ON version.no = meter.version_no
CROSS JOIN meter_type ON meter_type.no = meter.type_no
WHERE meter.id = :meter_id

-- name: gone_keeper
-- Of a meter that is gone, where it had usage of a period that starts in a millisecond. Two, where
-- there were more of that id.
SELECT DISTINCT gone_meter.aggregation, gone_meter.no
FROM gone_meter
CROSS JOIN gone_period AS period ON period.meter_no = gone_meter.no
WHERE gone_meter.id = :meter_id AND period.start_at >= :start AND period.start_at < :start + 1000
LIMIT 2

-- name: has_gone
SELECT EXISTS (SELECT 1 FROM gone_meter WHERE type_id = ?)

-- name: forget_gone
-- Single usage goes with its period.
DELETE FROM gone_period WHERE (meter_no, start_at) IN (
    SELECT meter_no, start_at FROM gone_period
    WHERE end_at <= :until ORDER BY end_at LIMIT :limit
)

-- name: page
SELECT
    usage.identity, usage.timestamp, usage.value, usage.fields, usage.start_at,
    usage.metered_at, usage.voided_at, replacement.timestamp, replacement.value, usage.no
FROM metered_usage AS usage
JOIN meter ON meter.no = usage.meter_no
LEFT JOIN metered_usage AS replacement ON replacement.no = usage.replaced_by
WHERE meter.id = :meter_id AND usage.no > :after
    AND (:identity IS NULL OR usage.identity = :identity)
    AND (:void OR usage.voided_at IS NULL)
    AND (:since IS NULL OR usage.timestamp >= :since)
    AND (:until IS NULL OR usage.timestamp < :until)
ORDER BY usage.no LIMIT :limit

-- name: bucket
SELECT * FROM bucket WHERE id = ?

-- name: period
SELECT * FROM period_bucket WHERE no = ? AND start_at = ?

-- name: insert_record
INSERT INTO metered_record (record_id, kind, node_id, text) VALUES (?, ?, ?, ?) RETURNING no

-- name: insert_due
INSERT INTO adjustment_due (record_no, key_no) VALUES (?, ?)
