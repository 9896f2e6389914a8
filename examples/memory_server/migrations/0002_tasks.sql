-- What a session means to do, until it is done.
CREATE TABLE tasks (
    id INTEGER PRIMARY KEY,
    session TEXT NOT NULL CHECK (session <> ''),
    text TEXT NOT NULL,
    created_at REAL NOT NULL,
    done_at REAL
);
CREATE INDEX tasks_by_session ON tasks (session, id);
