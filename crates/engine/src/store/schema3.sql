-- Searches go through an index of their own (`audit-index.db`): this one cost each write.
DROP INDEX audit_by_team;

-- Where the log begins after old rows were pruned: the last of them, and its hash. Each anchor is
-- later than the one before, and is set while its row is still there.
CREATE TABLE audit_anchor (
    seq INTEGER PRIMARY KEY,
    hash TEXT NOT NULL,
    rows INTEGER NOT NULL,
    time TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_anchor_is_a_row BEFORE INSERT ON audit_anchor
WHEN NOT EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq AND hash = NEW.hash)
    OR NEW.seq <= (SELECT coalesce(max(seq), 0) FROM audit_anchor)
BEGIN SELECT RAISE(ABORT, 'the anchor of the audit log does not fit'); END;
CREATE TRIGGER audit_anchor_never_updated BEFORE UPDATE ON audit_anchor
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_anchor_never_deleted BEFORE DELETE ON audit_anchor
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

DROP TRIGGER audit_never_deleted;
CREATE TRIGGER audit_never_deleted BEFORE DELETE ON audit
WHEN OLD.seq > (SELECT coalesce(max(seq), 0) FROM audit_anchor)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
