-- Periods by event time: the timestamp of a record decides its period, so that several periods of
-- one meter are open at once, and usage may come for one that has closed.

-- Microseconds for which a period stays open after its end. NULL where a record counts in the
-- period that is current when it is processed.
ALTER TABLE meter_type ADD COLUMN grace INTEGER;

-- An event-time meter has its row in meter_period too: the first period, from its creation on,
-- that has not closed. The key_no there is negative, so that scans of other meters pass it by.

-- What the periods of event-time meters have gathered; no row where one is untouched. A closed one
-- stays: its golden record has left, and so many adjustments. `contents` as in meter_contents.
CREATE TABLE event_period (
    meter_no INTEGER NOT NULL REFERENCES meter (no) ON DELETE CASCADE,
    start_at INTEGER NOT NULL,
    end_at INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    key_no INTEGER NOT NULL,
    closed INTEGER NOT NULL,
    adjustments INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    contents TEXT,
    PRIMARY KEY (meter_no, start_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX event_period_open ON event_period (key_no, end_at) WHERE closed = 0;

-- As the view bucket, for each touched period; then whether it has closed, and its adjustments.
CREATE VIEW period_bucket AS
SELECT
    meter.no, meter.id, meter.key_no, meter_key.key, meter.user_id, meter.type_no,
    meter.version_no, meter.own, meter.custom_fields, meter.delete_on_reset, meter.created_at,
    event_period.sequence, event_period.start_at, event_period.end_at, meter_type.timezone,
    event_period.updated_at, event_period.contents, event_period.closed, event_period.adjustments
FROM event_period
CROSS JOIN meter ON meter.no = event_period.meter_no
CROSS JOIN meter_key ON meter_key.no = meter.key_no
CROSS JOIN meter_type ON meter_type.no = meter.type_no;

-- Meters as they are listed: an event-time meter with what its first open period has gathered.
CREATE VIEW listed_bucket AS
SELECT
    bucket.no, bucket.id, bucket.key_no, bucket.key, bucket.user_id, bucket.type_no,
    bucket.version_no, bucket.own, bucket.custom_fields, bucket.delete_on_reset,
    bucket.created_at, bucket.sequence, bucket.start_at, bucket.end_at, bucket.timezone,
    max(bucket.updated_at, coalesce(event_period.updated_at, 0)) AS updated_at,
    coalesce(bucket.contents, event_period.contents) AS contents
FROM bucket
LEFT JOIN event_period
    ON event_period.meter_no = bucket.no AND event_period.start_at = bucket.start_at;

DROP VIEW meter_overview;
CREATE VIEW meter_overview AS
SELECT
    bucket.id, bucket.key AS meter_key, bucket.user_id, meter_type.name AS meter_type,
    substr(contents, 1, instr(contents, char(28)) - 1) AS value,
    CAST(substr(contents, instr(contents, char(28)) + 1) AS INTEGER) AS records,
    datetime(start_at / 1000000, 'unixepoch') AS period_start,
    datetime(end_at / 1000000, 'unixepoch') AS period_end
FROM listed_bucket AS bucket
JOIN meter_type ON meter_type.no = bucket.type_no;

-- Adjustments are metered records too. One that a change of single usage made has no run, until
-- the next run of its stream has taken it downstream.
CREATE TABLE metered_record_13 (
    no INTEGER PRIMARY KEY,
    record_id BLOB NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('golden', 'threshold', 'adjustment')),
    run_no INTEGER REFERENCES run (no),
    node_id TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;

INSERT INTO metered_record_13 SELECT no, record_id, kind, run_no, node_id, text FROM metered_record;
DROP TABLE metered_record;
ALTER TABLE metered_record_13 RENAME TO metered_record;

CREATE INDEX metered_record_by_run ON metered_record (run_no);
CREATE INDEX metered_record_by_kind ON metered_record (kind);

-- Adjustments that no run has taken downstream yet.
CREATE TABLE adjustment_due (
    record_no INTEGER PRIMARY KEY REFERENCES metered_record (no) ON DELETE CASCADE,
    key_no INTEGER NOT NULL
) STRICT;

CREATE INDEX adjustment_due_by_key ON adjustment_due (key_no);

-- What a guiding rule folds of a record: a JSON object of groupBy, carryFirst and carryLast.
CREATE TABLE usage_rule (
    no INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- Every record that an event-time meter took, in order of arrival. Rows are only added: one that
-- is void stays, and so does one that was replaced. `arrival` is the number of the record whose
-- place it took; `fields` is a JSON object of those that its rule folds.
CREATE TABLE metered_usage (
    no INTEGER PRIMARY KEY,
    meter_no INTEGER NOT NULL REFERENCES meter (no) ON DELETE CASCADE,
    start_at INTEGER NOT NULL,
    identity TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    value TEXT NOT NULL,
    rule_no INTEGER NOT NULL REFERENCES usage_rule (no),
    fields TEXT,
    metered_at INTEGER NOT NULL,
    run_no INTEGER REFERENCES run (no),
    arrival INTEGER,
    voided_at INTEGER,
    replaced_by INTEGER
) STRICT;

CREATE INDEX metered_usage_by_period ON metered_usage (meter_no, start_at);
CREATE INDEX metered_usage_by_identity ON metered_usage (meter_no, identity);
