-- Where the records that event-time meters took were first read, so that an invoice can be explained
-- down to them. Rows from before have neither; amended ones keep what the first one had.
CREATE TABLE usage_source (
    no INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

ALTER TABLE metered_usage ADD COLUMN source_no INTEGER REFERENCES usage_source (no);
ALTER TABLE metered_usage ADD COLUMN place INTEGER;
