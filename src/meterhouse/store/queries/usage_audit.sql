-- name: page
SELECT
    run.id, run.stream_name, run.started_at, usage_audit.ended_at, run.origin, run.started_by,
    run.version, usage_audit.input, usage_audit.output, usage_audit.duplicated,
    usage_audit.to_correction, usage_audit.custom, usage_audit.run_no
FROM usage_audit
CROSS JOIN run ON run.no = usage_audit.run_no
WHERE usage_audit.run_no < :before AND (:stream_id IS NULL OR run.stream_id = :stream_id)
    AND (:since IS NULL OR run.started_at >= :since)
    AND (:until IS NULL OR run.started_at < :until)
ORDER BY usage_audit.run_no DESC LIMIT :limit

-- name: purge
DELETE FROM usage_audit WHERE ended_at < ?
