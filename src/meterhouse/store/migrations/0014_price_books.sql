-- Versions of price books. `text` is the document as it was written, in the `format` that it was
-- written in; `document` is its canonical JSON, of which `hash` is the SHA-256. `from_at` and `to_at`
-- are the instants at which its first day and the day after its last one begin in its time zone.
-- Once `used_at` is set, the version stays.
CREATE TABLE price_book_version (
    no INTEGER PRIMARY KEY,
    book_id TEXT NOT NULL,
    version TEXT NOT NULL,
    hash TEXT NOT NULL,
    customer TEXT,
    currency TEXT NOT NULL,
    timezone TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    valid_to TEXT,
    from_at INTEGER NOT NULL,
    to_at INTEGER,
    price_count INTEGER NOT NULL,
    format TEXT NOT NULL,
    text TEXT NOT NULL,
    document TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    used_at INTEGER,
    UNIQUE (book_id, version)
) STRICT;

CREATE INDEX price_book_version_by_start ON price_book_version (book_id, from_at, no);
