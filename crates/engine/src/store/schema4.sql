-- Messages from their acceptance on. `parked`: it waits until its team is woken. Kept for a while
-- after their end, so that a sender can read what became of one.
CREATE TABLE message (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    from_party TEXT NOT NULL,
    to_team TEXT NOT NULL,
    text TEXT NOT NULL,
    persist INTEGER NOT NULL,
    parked INTEGER NOT NULL DEFAULT 0,
    depth INTEGER NOT NULL,
    state TEXT NOT NULL,
    session TEXT,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    delivered_at TEXT,
    settled_at TEXT,
    response TEXT,
    error TEXT
) STRICT;
CREATE INDEX message_by_pair ON message (to_team, from_party, seq);
CREATE INDEX message_open ON message (seq) WHERE settled_at IS NULL;
CREATE INDEX message_settled ON message (settled_at) WHERE settled_at IS NOT NULL;
