-- Who sells, who pays, and what was billed.

-- `body` is the object of the API. What is unique and what refers has columns of its own.
CREATE TABLE issuer (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE customer (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    issuer_no INTEGER NOT NULL REFERENCES issuer (no),
    body TEXT NOT NULL
) STRICT;

CREATE INDEX customer_by_issuer ON customer (issuer_no);

-- A user is of one customer only.
CREATE TABLE customer_user (
    user_id TEXT PRIMARY KEY,
    customer_no INTEGER NOT NULL REFERENCES customer (no) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX customer_user_by_customer ON customer_user (customer_no);

-- Golden records and adjustments by user and period. It is brought up to date when somebody bills,
-- so that runs do not wait for it. `period_end` is the text of the record; `adjusts` is the record
-- that an adjustment restates.
CREATE TABLE billable_record (
    record_no INTEGER PRIMARY KEY REFERENCES metered_record (no),
    record_id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    period_end TEXT NOT NULL,
    adjusts TEXT
) STRICT;

CREATE INDEX billable_record_by_user ON billable_record (user_id, period_end);
CREATE INDEX billable_record_by_end ON billable_record (period_end);

CREATE TABLE billable_until (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    record_no INTEGER NOT NULL
) STRICT;

INSERT INTO billable_until VALUES (1, 0);

-- `body` is the canonical JSON of the invoice; the other columns are what lists and laws need.
-- `sequence` is the number in its `series`, without a gap.
CREATE TABLE invoice (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('invoice', 'credit_note')),
    status TEXT NOT NULL CHECK (status IN ('draft', 'issued', 'corrected', 'void')),
    customer_no INTEGER NOT NULL REFERENCES customer (no),
    issuer_no INTEGER NOT NULL REFERENCES issuer (no),
    period_start INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    series TEXT,
    sequence INTEGER,
    number TEXT,
    corrects_no INTEGER REFERENCES invoice (no),
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    issued_at INTEGER,
    CHECK ((status IN ('draft', 'void')) = (sequence IS NULL))
) STRICT;

CREATE INDEX invoice_by_customer ON invoice (customer_no, period_start);
CREATE INDEX invoice_by_status ON invoice (status, no);
-- One draft for a customer and a period; one credit note for an invoice.
CREATE UNIQUE INDEX invoice_draft ON invoice (customer_no, period_start, period_end)
WHERE status = 'draft';
CREATE UNIQUE INDEX invoice_sequence ON invoice (issuer_no, series, sequence)
WHERE sequence IS NOT NULL;
CREATE UNIQUE INDEX invoice_number ON invoice (issuer_no, number) WHERE number IS NOT NULL;
CREATE UNIQUE INDEX invoice_corrects ON invoice (corrects_no) WHERE corrects_no IS NOT NULL;

-- What an invoice is made of. `corrects_no`: late usage, the difference to that invoice.
CREATE TABLE invoice_record (
    invoice_no INTEGER NOT NULL REFERENCES invoice (no),
    record_no INTEGER NOT NULL REFERENCES billable_record (record_no),
    corrects_no INTEGER REFERENCES invoice (no),
    PRIMARY KEY (invoice_no, record_no)
) STRICT, WITHOUT ROWID;

-- No record is billed twice: it is here from the day that it is issued, and no longer once a credit
-- note has taken the invoice back.
CREATE TABLE billed_record (
    record_no INTEGER PRIMARY KEY REFERENCES billable_record (record_no),
    invoice_no INTEGER NOT NULL REFERENCES invoice (no)
) STRICT;

CREATE INDEX billed_record_by_invoice ON billed_record (invoice_no);

-- Lines that people add to a draft. They stay when it is made anew.
CREATE TABLE manual_line (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    invoice_no INTEGER NOT NULL REFERENCES invoice (no),
    name TEXT NOT NULL,
    amount TEXT NOT NULL,
    tax TEXT,
    reason TEXT NOT NULL,
    author TEXT NOT NULL,
    added_at INTEGER NOT NULL
) STRICT;

CREATE INDEX manual_line_by_invoice ON manual_line (invoice_no);

-- Files of issued invoices: to be made, until `archived_at` says that it was. All files of one
-- version have one manifest; who wants other formats later gets another version.
CREATE TABLE invoice_file (
    invoice_no INTEGER NOT NULL REFERENCES invoice (no),
    version INTEGER NOT NULL,
    format TEXT NOT NULL,
    name TEXT,
    size INTEGER,
    sha256 TEXT,
    archived_at INTEGER,
    PRIMARY KEY (invoice_no, version, format)
) STRICT, WITHOUT ROWID;

CREATE INDEX invoice_file_pending ON invoice_file (invoice_no, version) WHERE archived_at IS NULL;

-- Prepaid credit. What is left is the amount and all entries; entries are never changed.
CREATE TABLE credit_grant (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    customer_no INTEGER NOT NULL REFERENCES customer (no),
    name TEXT NOT NULL,
    amount TEXT NOT NULL,
    currency TEXT NOT NULL,
    priority INTEGER NOT NULL,
    effective INTEGER NOT NULL,
    expires INTEGER,
    paid INTEGER NOT NULL,
    granted_at INTEGER NOT NULL
) STRICT;

CREATE INDEX credit_grant_by_customer ON credit_grant (customer_no);

-- `amount` is what changed: negative where an invoice drew, positive where a credit note gave back.
CREATE TABLE credit_entry (
    no INTEGER PRIMARY KEY,
    grant_no INTEGER NOT NULL REFERENCES credit_grant (no),
    invoice_no INTEGER NOT NULL REFERENCES invoice (no),
    amount TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (grant_no, invoice_no)
) STRICT;
