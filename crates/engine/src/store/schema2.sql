-- The names of secrets that a person put away. The values stand in the keychain of the system, which
-- cannot be relied on to list them.
CREATE TABLE secret (
    name TEXT PRIMARY KEY,
    kept_at TEXT NOT NULL
) STRICT;
