"""The memory itself: SQL on one connection, per session. Knows nothing of HTTP or threads; no statement reads another session's rows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

SHARED: Final = ""  # the session of what everybody may know
Row = dict[str, Any]
_WORD: Final = re.compile(r"\w+")
_SNIPPET_TOKENS: Final = 32


class NotFound(Exception):  # noqa: N818 - an answer, not a malfunction
    """There is no such thing in this session."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection for one thread at a time: WAL, so that readers don't wait for the writer."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=10.0, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;")
    return connection


def migrate(connection: sqlite3.Connection) -> int:
    """Brings the schema up to date; the version. Each step is one transaction, so that a kill leaves a whole version, and of two processes
    that start at once one waits for the other."""
    folder = resources.files("memory_server").joinpath("migrations")
    steps = sorted((p for p in folder.iterdir() if p.name.endswith(".sql")), key=lambda p: p.name)
    for number, step in enumerate(steps, 1):
        with _Transaction(connection):
            if number > version(connection):
                for statement in _statements(step.read_text()):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
    return version(connection)


def version(connection: sqlite3.Connection) -> int:
    """How many migrations the schema has."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def is_seeded(connection: sqlite3.Connection) -> bool:
    """Whether the shared knowledge is there."""
    return connection.execute("SELECT 1 FROM facts WHERE session = ? LIMIT 1", (SHARED,)).fetchone() is not None


def seed(connection: sqlite3.Connection, texts: Iterable[tuple[str, str]], now: float) -> int:
    """Stores shared knowledge (topic, text) in one transaction, unless it is there; how many texts were stored."""
    with _Transaction(connection):
        if is_seeded(connection):
            return 0
        added = connection.executemany(
            "INSERT INTO facts (session, topic, text, updated_at) VALUES (?, ?, ?, ?)", ((SHARED, *t, now) for t in texts)
        )
        return added.rowcount


def remember(connection: sqlite3.Connection, session: str, text: str, now: float) -> Row:
    """Stores an event of a session."""
    added = connection.execute("INSERT INTO events (session, text, created_at) VALUES (?, ?, ?)", (session, text, now))
    return {"id": added.lastrowid, "text": text}


def forget(connection: sqlite3.Connection, session: str, event: int) -> Row:
    """Removes an event of a session."""
    if connection.execute("DELETE FROM events WHERE session = ? AND id = ?", (session, event)).rowcount == 0:
        raise NotFound(f"no event {event} in this session")
    return {"id": event}


def recall(connection: sqlite3.Connection, session: str, query: str, limit: int) -> list[Row]:
    """What a session has experienced and what is known about `query`: own events first, each part ranked by bm25."""
    words = match(query)
    if not words:
        return []
    own = connection.execute(
        "SELECT e.id, 'event' AS kind, '' AS topic, snippet(events_index, 0, '', '', '…', ?) AS text, bm25(events_index) AS rank "
        "FROM events_index JOIN events e ON e.id = events_index.rowid "
        "WHERE events_index MATCH ? AND e.session = ? ORDER BY rank LIMIT ?",
        (_SNIPPET_TOKENS, words, session, limit),
    )
    found = [_ranked(row) for row in own]
    return found + search(connection, session, query, limit - len(found)) if len(found) < limit else found


def search(connection: sqlite3.Connection, session: str, query: str, limit: int) -> list[Row]:
    """What a session and everybody knows about `query`, ranked by bm25, a topic counting double."""
    words = match(query)
    if not words:
        return []
    rows = connection.execute(
        "SELECT f.id, 'fact' AS kind, f.topic, snippet(facts_index, 1, '', '', '…', ?) AS text, bm25(facts_index, 2.0, 1.0) AS rank "
        "FROM facts_index JOIN facts f ON f.id = facts_index.rowid "
        "WHERE facts_index MATCH ? AND f.session IN (?, ?) ORDER BY rank LIMIT ?",
        (_SNIPPET_TOKENS, words, session, SHARED, limit),
    )
    return [_ranked(row) for row in rows]


def recent(connection: sqlite3.Connection, session: str, limit: int) -> list[Row]:
    """The newest events of a session, newest first."""
    rows = connection.execute("SELECT id, text, created_at FROM events WHERE session = ? ORDER BY id DESC LIMIT ?", (session, limit))
    return [dict(row) for row in rows]


def events(connection: sqlite3.Connection, session: str, limit: int, offset: int) -> list[Row]:
    """The events of a session, oldest first."""
    rows = connection.execute(
        "SELECT id, text, created_at FROM events WHERE session = ? ORDER BY id LIMIT ? OFFSET ?", (session, limit, offset)
    )
    return [dict(row) for row in rows]


def learn(connection: sqlite3.Connection, session: str, topic: str, text: str, now: float) -> Row:
    """Stores something that a session knows."""
    values = (session, topic, text, now)
    added = connection.execute("INSERT INTO facts (session, topic, text, updated_at) VALUES (?, ?, ?, ?)", values)
    return {"id": added.lastrowid, "topic": topic, "text": text}


def update(connection: sqlite3.Connection, session: str, fact: int, text: str, now: float) -> Row:
    """Changes something that a session knows; what everybody knows can't be changed by one."""
    changed = connection.execute("UPDATE facts SET text = ?, updated_at = ? WHERE session = ? AND id = ?", (text, now, session, fact))
    if changed.rowcount == 0:
        raise NotFound(f"no fact {fact} in this session")
    return {"id": fact, "text": text}


def facts(connection: sqlite3.Connection, session: str, limit: int, offset: int) -> list[Row]:
    """What a session knows by itself, oldest first."""
    rows = connection.execute("SELECT id, topic, text FROM facts WHERE session = ? ORDER BY id LIMIT ? OFFSET ?", (session, limit, offset))
    return [dict(row) for row in rows]


def create_task(connection: sqlite3.Connection, session: str, text: str, now: float) -> Row:
    """Stores something that a session means to do."""
    added = connection.execute("INSERT INTO tasks (session, text, created_at) VALUES (?, ?, ?)", (session, text, now))
    return {"id": added.lastrowid, "text": text}


def complete_task(connection: sqlite3.Connection, session: str, task: int, now: float) -> Row:
    """Marks an open task of a session as done."""
    values = (now, session, task)
    if connection.execute("UPDATE tasks SET done_at = ? WHERE session = ? AND id = ? AND done_at IS NULL", values).rowcount == 0:
        raise NotFound(f"no open task {task} in this session")
    return {"id": task}


def tasks(connection: sqlite3.Connection, session: str, limit: int) -> list[Row]:
    """The open tasks of a session, newest first."""
    rows = connection.execute("SELECT id, text FROM tasks WHERE session = ? AND done_at IS NULL ORDER BY id DESC LIMIT ?", (session, limit))
    return [dict(row) for row in rows]


def match(query: str) -> str:
    """An FTS5 expression: any of the words, each quoted, so that no text of a caller is taken as syntax."""
    words: Sequence[str] = _WORD.findall(query)[:16]
    return " OR ".join(f'"{word}"' for word in words)


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; a trigger with its inner semicolons is one."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise ValueError(f"a migration ends in the middle of a statement: {statement.strip()[:60]}")


def _ranked(row: sqlite3.Row) -> Row:
    found = dict(row)
    found["score"] = round(-found.pop("rank"), 4)
    return found


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK when something is raised."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __enter__(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.connection.execute("COMMIT" if kind is None else "ROLLBACK")
