-- Requests of a node in one run that failed, and whose records went on all the same.
ALTER TABLE run_node ADD COLUMN errors INTEGER NOT NULL DEFAULT 0;
