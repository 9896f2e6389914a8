"""The memory's SQL: ranking is real, sessions are apart, a kill leaves a whole version."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_server import store, texts


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An empty memory."""
    connection = store.connect(tmp_path / "memory.db")
    store.migrate(connection)
    yield connection
    connection.close()


def test_what_matches_better_comes_first(memory: sqlite3.Connection) -> None:
    """bm25, not the order of storing; a text without the word isn't there."""
    store.learn(memory, "a", "net", "one socket among many other words about nothing in particular at all", 0)
    store.learn(memory, "a", "socket", "socket socket", 0)
    store.learn(memory, "a", "queue", "nothing of it", 0)
    assert [row["topic"] for row in store.search(memory, "a", "socket", 10)] == ["socket", "net"]


def test_a_session_recalls_its_own_events_and_what_everybody_knows(memory: sqlite3.Connection) -> None:
    """Own events first; another session's events and facts never."""
    store.seed(memory, [("threading", "a thread runs")], 0)
    store.remember(memory, "a", "my thread", 0)
    store.remember(memory, "b", "secret thread of b", 0)
    store.learn(memory, "b", "thread", "secret fact of b", 0)
    assert [(row["kind"], row["text"]) for row in store.recall(memory, "a", "thread", 10)] == [
        ("event", "my thread"),
        ("fact", "a thread runs"),
    ]


def test_a_session_changes_and_forgets_only_its_own(memory: sqlite3.Connection) -> None:
    """By number, another session's things aren't there; neither can shared knowledge be changed."""
    store.seed(memory, [("t", "shared")], 0)
    event = store.remember(memory, "b", "of b", 0)["id"]
    fact = store.learn(memory, "b", "t", "of b", 0)["id"]
    for change in (
        lambda: store.forget(memory, "a", event),
        lambda: store.update(memory, "a", fact, "changed", 0),
        lambda: store.update(memory, "a", 1, "changed", 0),
    ):
        with pytest.raises(store.NotFound):
            change()
    store.forget(memory, "b", event)
    assert store.update(memory, "b", fact, "changed", 0)["text"] == "changed"
    assert store.events(memory, "b", 10, 0) == []


def test_an_update_is_found_by_its_new_words_only(memory: sqlite3.Connection) -> None:
    """The index follows the text."""
    fact = store.learn(memory, "a", "t", "old words", 0)["id"]
    store.update(memory, "a", fact, "fresh words", 0)
    assert store.search(memory, "a", "old", 10) == []
    assert len(store.search(memory, "a", "fresh", 10)) == 1


@given(st.text(max_size=40))
def test_no_query_is_taken_as_syntax(query: str) -> None:
    """Whatever is asked, full-text search answers."""
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    store.migrate(connection)
    store.recall(connection, "a", query, 5)
    connection.close()


def test_migrating_twice_changes_nothing_and_a_broken_step_leaves_nothing(tmp_path: Path) -> None:
    """Idempotent; a step that fails half way is not half there."""
    connection = store.connect(tmp_path / "memory.db")
    assert store.migrate(connection) == store.migrate(connection) == 2
    with pytest.raises(sqlite3.Error):
        connection.executescript("BEGIN IMMEDIATE; CREATE TABLE half (x); CREATE TABLE half (x); COMMIT;")
    connection.rollback()
    connection.close()
    again = store.connect(tmp_path / "memory.db")
    assert again.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").fetchone()[0] == 0
    again.close()


def test_a_seed_that_fails_leaves_no_half(memory: sqlite3.Connection) -> None:
    """All texts or none, so that a kill while seeding seeds again."""

    def broken() -> Iterator[tuple[str, str]]:
        yield ("a", "first")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        store.seed(memory, broken(), 0)
    assert not store.is_seeded(memory)


def test_the_standard_library_has_thousands_of_texts() -> None:
    """Real ones, the same each time."""
    found = list(texts.docstrings(texts.standard_library(), 2000))
    assert len(found) == 2000
    assert found[:20] == list(texts.docstrings(texts.standard_library(), 20))
    assert any(topic.startswith("argparse") for topic, _ in found)
