-- What became of invoices: who did what, and when. Entries are only ever added, and each has the
-- hash of the one before. Segments are what of it the archive has a copy of.
CREATE TABLE invoice_history (
    no INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    invoice TEXT NOT NULL,
    detail TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;

CREATE INDEX invoice_history_by_invoice ON invoice_history (invoice, no);
CREATE INDEX invoice_history_by_number
    ON invoice_history (json_extract(detail, '$.number'), no) WHERE action = 'archived';

CREATE TRIGGER invoice_history_stays BEFORE UPDATE ON invoice_history
BEGIN
    SELECT RAISE(ABORT, 'the history of invoices is only added to');
END;

CREATE TRIGGER invoice_history_is_kept BEFORE DELETE ON invoice_history
BEGIN
    SELECT RAISE(ABORT, 'the history of invoices is only added to');
END;

-- An insertion that replaces an entry deletes it without asking the trigger above.
CREATE TRIGGER invoice_history_grows BEFORE INSERT ON invoice_history
WHEN NEW.no <= (SELECT coalesce(max(no), 0) FROM invoice_history)
BEGIN
    SELECT RAISE(ABORT, 'the history of invoices is only added to');
END;

CREATE TABLE invoice_history_segment (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL UNIQUE,
    archived_at INTEGER
) STRICT;
