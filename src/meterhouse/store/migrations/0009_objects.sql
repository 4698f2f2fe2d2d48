-- Files that lie elsewhere: the mark that object storage gives their content, and how the place is
-- reached that an output goes to (settings and the id of a secret, as JSON; never a value).
ALTER TABLE consumed_file ADD COLUMN etag TEXT;
ALTER TABLE outbox ADD COLUMN storage TEXT;
