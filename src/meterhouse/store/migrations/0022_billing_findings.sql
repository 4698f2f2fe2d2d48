-- What was found of usage that is billed, beside the usage itself: for the invoice of a period.
CREATE TABLE billing_finding (
    customer_no INTEGER NOT NULL REFERENCES customer (no) ON DELETE CASCADE,
    period_start INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    origin TEXT NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (customer_no, period_start, period_end, origin)
) STRICT, WITHOUT ROWID;

-- Who read invoices could have their files; that has a scope of its own now.
UPDATE application SET scopes = scopes || ' download:invoices'
WHERE ' ' || scopes || ' ' LIKE '% read:invoices %';

-- The files that an invoice was read from are looked up by their names.
CREATE INDEX dataset_file_by_name ON dataset_file (name, no);
