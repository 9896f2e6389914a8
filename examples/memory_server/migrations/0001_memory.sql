-- What a session has experienced, what it knows, and what everybody may know (session is empty); each with a full-text index.
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    session TEXT NOT NULL CHECK (session <> ''),
    text TEXT NOT NULL,
    created_at REAL NOT NULL
);
CREATE INDEX events_by_session ON events (session, id);

CREATE TABLE facts (
    id INTEGER PRIMARY KEY,
    session TEXT NOT NULL,
    topic TEXT NOT NULL,
    text TEXT NOT NULL,
    updated_at REAL NOT NULL
);
CREATE INDEX facts_by_session ON facts (session, id);

CREATE VIRTUAL TABLE events_index USING fts5 (text, content = 'events', content_rowid = 'id', tokenize = 'porter unicode61');
CREATE VIRTUAL TABLE facts_index USING fts5 (topic, text, content = 'facts', content_rowid = 'id', tokenize = 'porter unicode61');

CREATE TRIGGER events_added AFTER INSERT ON events BEGIN
    INSERT INTO events_index (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER events_removed AFTER DELETE ON events BEGIN
    INSERT INTO events_index (events_index, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TRIGGER facts_added AFTER INSERT ON facts BEGIN
    INSERT INTO facts_index (rowid, topic, text) VALUES (new.id, new.topic, new.text);
END;
CREATE TRIGGER facts_removed AFTER DELETE ON facts BEGIN
    INSERT INTO facts_index (facts_index, rowid, topic, text) VALUES ('delete', old.id, old.topic, old.text);
END;
CREATE TRIGGER facts_changed AFTER UPDATE ON facts BEGIN
    INSERT INTO facts_index (facts_index, rowid, topic, text) VALUES ('delete', old.id, old.topic, old.text);
    INSERT INTO facts_index (rowid, topic, text) VALUES (new.id, new.topic, new.text);
END;
