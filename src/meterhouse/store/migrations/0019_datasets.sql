-- Datasets: the versions of their schemas that were published, and the files of the catalogue.

-- A version never changes. `text` is the schema as JSON, with all its attributes.
CREATE TABLE dataset_version (
    no INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    major INTEGER NOT NULL,
    minor INTEGER NOT NULL,
    patch INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    text TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    UNIQUE (name, major, minor, patch)
) STRICT;

-- Files are put where there is none, and never changed. The version is what the file itself says; it
-- may be one that its major has not published yet. `day` is empty for snapshots of dimensions, and
-- `ob` for what is of all OBs. `hour` is that of its name.
CREATE TABLE dataset_file (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    dataset TEXT NOT NULL,
    major INTEGER NOT NULL,
    minor INTEGER NOT NULL,
    patch INTEGER NOT NULL,
    ob TEXT NOT NULL,
    day TEXT NOT NULL,
    name TEXT NOT NULL,
    hour INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    UNIQUE (dataset, major, day, name)
) STRICT;

-- Lists are by day and name, snapshots by the hour in which they were taken.
CREATE INDEX dataset_file_by_day ON dataset_file (dataset, day, name, no);
CREATE INDEX dataset_file_by_hour ON dataset_file (dataset, hour, no) WHERE day = '';
