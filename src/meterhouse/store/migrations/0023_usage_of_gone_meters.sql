-- Single usage of event-time meters that are gone: of the periods that were told, as billing may ask
-- for it again. It is a copy, as rows of `metered_usage` go with their meter, and are changed with it.

-- `no` is the number that the meter had: no other one ever has it.
CREATE TABLE gone_meter (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    type_id TEXT NOT NULL,
    aggregation TEXT NOT NULL
) STRICT;

CREATE INDEX gone_meter_by_id ON gone_meter (id);
CREATE INDEX gone_meter_by_type ON gone_meter (type_id);

CREATE TABLE gone_period (
    meter_no INTEGER NOT NULL REFERENCES gone_meter (no),
    start_at INTEGER NOT NULL,
    end_at INTEGER NOT NULL,
    PRIMARY KEY (meter_no, start_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX gone_period_by_end ON gone_period (end_at);

-- In order of arrival; what was void, too, as it tells what was billed before.
CREATE TABLE gone_usage (
    meter_no INTEGER NOT NULL,
    start_at INTEGER NOT NULL,
    arrival INTEGER NOT NULL,
    no INTEGER NOT NULL,
    identity TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    value TEXT NOT NULL,
    rule_no INTEGER NOT NULL REFERENCES usage_rule (no),
    fields TEXT,
    source_no INTEGER REFERENCES usage_source (no),
    place INTEGER,
    metered_at INTEGER NOT NULL,
    voided_at INTEGER,
    PRIMARY KEY (meter_no, start_at, arrival, no),
    FOREIGN KEY (meter_no, start_at) REFERENCES gone_period (meter_no, start_at) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Whoever deletes a meter, before its rows go with it.
CREATE TRIGGER usage_outlasts_meter BEFORE DELETE ON meter
WHEN EXISTS (SELECT 1 FROM event_period WHERE meter_no = old.no AND closed = 1)
    AND EXISTS (SELECT 1 FROM meter_type WHERE no = old.type_no AND keep_usage = 1)
BEGIN
    INSERT INTO gone_meter (no, id, type_id, aggregation)
    SELECT old.no, old.id, meter_type.id, version.aggregation
    FROM meter_type
    CROSS JOIN meter_type_version AS version
    WHERE meter_type.no = old.type_no AND version.no = old.version_no;

    INSERT INTO gone_period (meter_no, start_at, end_at)
    SELECT meter_no, start_at, end_at FROM event_period
    WHERE meter_no = old.no AND closed = 1;

    INSERT INTO gone_usage (
        meter_no, start_at, arrival, no, identity, timestamp, value, rule_no, fields,
        source_no, place, metered_at, voided_at
    )
    SELECT
        usage.meter_no, usage.start_at, coalesce(usage.arrival, usage.no), usage.no,
        usage.identity, usage.timestamp, usage.value, usage.rule_no, usage.fields,
        usage.source_no, usage.place, usage.metered_at, usage.voided_at
    FROM gone_period AS period
    CROSS JOIN metered_usage AS usage
        ON usage.meter_no = period.meter_no AND usage.start_at = period.start_at
    WHERE period.meter_no = old.no;
END;

CREATE TRIGGER gone_meter_is_forgotten AFTER DELETE ON gone_period
WHEN NOT EXISTS (SELECT 1 FROM gone_period WHERE meter_no = old.meter_no)
BEGIN
    DELETE FROM gone_meter WHERE no = old.meter_no;
END;
