-- Look-up tables: a name, and versions that never change. Their rows lie in Parquet files.
CREATE TABLE lookup_table (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

-- `columns` is a list of pairs of name and kind, `keys` a list of names, `fields` an object of the
-- types that were declared: JSON, all three. `sha256` is that of the file as it was uploaded.
CREATE TABLE lookup_table_version (
    no INTEGER PRIMARY KEY,
    table_no INTEGER NOT NULL REFERENCES lookup_table (no) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    row_count INTEGER NOT NULL,
    columns TEXT NOT NULL,
    keys TEXT NOT NULL,
    fields TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    UNIQUE (table_no, number)
) STRICT;
