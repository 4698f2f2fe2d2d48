-- Whose a record is, and what it was, is kept from the day that it is taken note of.

-- The category of the meter type then. NULL where the meter type was gone already.
ALTER TABLE billable_record ADD COLUMN category TEXT;

UPDATE billable_record SET category = (
    SELECT meter_type.category
    FROM metered_record AS record
    JOIN meter_type ON meter_type.id = json_extract(record.text, '$.meterTypeId')
    WHERE record.no = billable_record.record_no
);

-- A golden record and the adjustments that restate it are one family.
CREATE INDEX billable_record_by_family ON billable_record (coalesce(adjusts, record_id));
