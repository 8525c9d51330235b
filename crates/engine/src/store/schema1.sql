-- One row, one canonical JSON text: the very text that the hash covers. `team` is computed from it,
-- so that no column can say what the hash does not cover. AUTOINCREMENT remembers the highest `seq`
-- there ever was: rows cut off at the end are missed.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    draft TEXT NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL,
    team TEXT GENERATED ALWAYS AS (iif(json_valid(draft), draft ->> '$.team', NULL)) VIRTUAL
) STRICT;
CREATE INDEX audit_by_team ON audit (team, seq);
CREATE TRIGGER audit_never_updated BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_never_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_never_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- Approvals that wait; a row that is found at the start was lost with the Iris that kept it.
CREATE TABLE waiting (
    id TEXT PRIMARY KEY,
    draft TEXT NOT NULL
) STRICT;

CREATE TABLE session (
    from_party TEXT NOT NULL,
    to_team TEXT NOT NULL,
    id TEXT NOT NULL,
    started INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    last_used_at TEXT NOT NULL,
    PRIMARY KEY (from_party, to_team)
) STRICT;

-- Process groups of agents that may still run; `started` tells a group from a later one with its number.
CREATE TABLE process_group (
    pgid INTEGER PRIMARY KEY,
    started INTEGER NOT NULL
) STRICT;
