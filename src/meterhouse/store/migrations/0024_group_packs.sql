-- Breakdowns by group of many meters in one piece: what a run over many records leaves. As texts of
-- their meters they took most of the time of such a run.

-- How many meters have theirs in a pack; it goes with the last one.
CREATE TABLE group_pack (
    no INTEGER PRIMARY KEY,
    meters INTEGER NOT NULL
) STRICT;

-- Apart, so that counting down does not write the content again.
CREATE TABLE group_pack_content (
    pack_no INTEGER PRIMARY KEY REFERENCES group_pack (no) ON DELETE CASCADE,
    content BLOB NOT NULL
) STRICT;

-- NULL where `contents` has the breakdowns. No foreign key, as the pack would be looked up for each
-- meter: rows and their packs are written together.
ALTER TABLE meter_contents ADD COLUMN pack_no INTEGER;

-- Whoever replaces a row says so himself (leave_packs): a trigger for it makes each row that is
-- written take half as long again.
CREATE TRIGGER pack_left_by_delete AFTER DELETE ON meter_contents
WHEN old.pack_no IS NOT NULL
BEGIN
    UPDATE group_pack SET meters = meters - 1 WHERE no = old.pack_no;
END;

CREATE TRIGGER pack_is_empty AFTER UPDATE OF meters ON group_pack
WHEN new.meters = 0
BEGIN
    DELETE FROM group_pack WHERE no = new.no;
END;

DROP VIEW meter_overview;
DROP VIEW listed_bucket;
DROP VIEW period_bucket;
DROP VIEW bucket;

-- All that is known of a meter, as the program reads it. CROSS JOIN keeps `meter` in front, so
-- that lists are read in its order.
CREATE VIEW bucket AS
SELECT
    meter.no, meter.id, meter.key_no, meter_key.key, meter.user_id, meter.type_no,
    meter.version_no, meter.own, meter.custom_fields, meter.delete_on_reset, meter.created_at,
    meter_period.sequence, meter_period.start_at, meter_period.end_at, meter_period.timezone,
    coalesce(meter_contents.updated_at, meter_period.updated_at) AS updated_at,
    meter_contents.contents, meter_contents.pack_no
FROM meter
CROSS JOIN meter_key ON meter_key.no = meter.key_no
CROSS JOIN meter_period ON meter_period.meter_no = meter.no
LEFT JOIN meter_contents ON meter_contents.meter_no = meter.no;

-- As the view bucket, for each touched period; then whether it has closed, and its adjustments.
CREATE VIEW period_bucket AS
SELECT
    meter.no, meter.id, meter.key_no, meter_key.key, meter.user_id, meter.type_no,
    meter.version_no, meter.own, meter.custom_fields, meter.delete_on_reset, meter.created_at,
    event_period.sequence, event_period.start_at, event_period.end_at, meter_type.timezone,
    event_period.updated_at, event_period.contents, NULL AS pack_no,
    event_period.closed, event_period.adjustments
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
    coalesce(bucket.contents, event_period.contents) AS contents, bucket.pack_no
FROM bucket
LEFT JOIN event_period
    ON event_period.meter_no = bucket.no AND event_period.start_at = bucket.start_at;

-- The same for people: value and number of records of every meter.
CREATE VIEW meter_overview AS
SELECT
    bucket.id, bucket.key AS meter_key, bucket.user_id, meter_type.name AS meter_type,
    substr(contents, 1, instr(contents, char(28)) - 1) AS value,
    CAST(substr(contents, instr(contents, char(28)) + 1) AS INTEGER) AS records,
    datetime(start_at / 1000000, 'unixepoch') AS period_start,
    datetime(end_at / 1000000, 'unixepoch') AS period_end
FROM listed_bucket AS bucket
JOIN meter_type ON meter_type.no = bucket.type_no;
