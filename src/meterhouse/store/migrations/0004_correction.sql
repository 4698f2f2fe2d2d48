-- Data Correction and the inspector: what their lists are read by, and counts that are kept.

------------------------------------------------------------------ data correction

CREATE INDEX suspense_by_stream_reason ON suspense (stream_no, reason);
CREATE INDEX suspense_by_stream_node ON suspense (stream_no, node_name);
CREATE INDEX suspense_all_queued ON suspense (state) WHERE state = 'queued';
CREATE INDEX suspense_by_run ON suspense (run_no);
CREATE INDEX suspense_by_creation ON suspense (created_at);
CREATE INDEX suspense_by_update ON suspense (updated_at);

------------------------------------------------------------------ meters

CREATE INDEX meter_by_key_type ON meter (key_no, type_no);

-- How many meters a meter key has of each type. Meters come many at a time, and are counted by whoever
-- adds them: a trigger would double the time. They go by many ways, so a trigger counts them off.
CREATE TABLE meter_count (
    key_no INTEGER NOT NULL REFERENCES meter_key (no),
    type_no INTEGER NOT NULL REFERENCES meter_type (no) ON DELETE CASCADE,
    meters INTEGER NOT NULL,
    PRIMARY KEY (key_no, type_no)
) STRICT, WITHOUT ROWID;

CREATE INDEX meter_count_by_type ON meter_count (type_no);

INSERT INTO meter_count (key_no, type_no, meters)
SELECT key_no, type_no, count(*) FROM meter GROUP BY key_no, type_no;

CREATE TRIGGER meter_removed AFTER DELETE ON meter BEGIN
    UPDATE meter_count SET meters = meters - 1
    WHERE key_no = old.key_no AND type_no = old.type_no;
END;
