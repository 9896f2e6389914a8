"""Reuse: what becomes of a stored answer, by its time and the request's wishes; and which refreshes start."""

from __future__ import annotations

import pytest

from slipstream_runtime.cores.grace import KEEP, Grace
from slipstream_runtime.cores.refreshes import LONGEST_WAIT, MAX_FAILED, MAX_RUNNING, Refreshes
from slipstream_runtime.cores.reuse import FETCH, REFRESH, SERVE, STALE, VALIDATE, reuse
from tests.fakes.cores import Cached, lines

NOW = 100.0
GRACES = {"none": Grace(0, 0, 0, 0), "swr": Grace(10, 0, 0, 0), "kept": Grace(0, 0, 0, KEEP), "strict": Grace(0, 0, 0, KEEP, True)}


@pytest.mark.parametrize(
    ("grace", "age", "asked", "what"),
    [
        ("none", 59.9, "", SERVE),
        ("none", 60, "", FETCH),
        ("none", 30, "no-cache", FETCH),
        ("none", 30, "max-age=29", FETCH),
        ("none", 30, "max-age=30", SERVE),
        ("none", 30, "min-fresh=29", SERVE),
        ("none", 30, "min-fresh=30", FETCH),
        ("none", 65, "max-stale", STALE),
        ("none", 65, "max-stale=5", STALE),
        ("none", 65, "max-stale=4", FETCH),
        ("none", 65, "max-stale, max-age=60", FETCH),
        ("none", 65, "max-stale, min-fresh=1", FETCH),
        ("swr", 60, "", REFRESH),
        ("swr", 69.9, "", REFRESH),
        ("swr", 70, "", FETCH),
        ("swr", 65, "no-cache", FETCH),
        ("swr", 65, "max-age=60", FETCH),
        ("kept", 60, "", VALIDATE),
        ("kept", 30, "no-cache", VALIDATE),
        ("kept", 30, "max-age=0", VALIDATE),
        ("strict", 59, "", SERVE),
        ("strict", 65, "max-stale", VALIDATE),
    ],
)
def test_what_becomes_of_a_stored_answer(grace: str, age: float, asked: str, what: int) -> None:
    """A minute of life, stored at `age` 0."""
    cached = Cached()
    cached.put(NOW, ttl=60.0, grace=Grace(KEEP, KEEP, KEEP, 0.0))
    entry = cached.store.get_stale(cached.key(), cached.plan, NOW + age)
    assert entry is not None
    entry.grace = GRACES[grace]
    request = cached.plan.reader.read(b"GET", b"/recall?q=a", lines(x_session_id="s1", cache_control=asked))
    assert reuse(entry, request, NOW + age) == what


def test_trap_12_a_key_has_one_refresh_and_a_failed_one_waits() -> None:
    """A second, doubled with each further failure, up to half a minute; a success forgets them."""
    refreshes = Refreshes()
    assert refreshes.begin(b"k", 0.0)
    assert not refreshes.begin(b"k", 0.0)
    assert refreshes.begin(b"other", 0.0)
    now, wait = 0.0, 1.0
    for _ in range(8):
        refreshes.end(b"k", False, now)
        assert not refreshes.begin(b"k", now + wait - 0.1)
        now += wait
        assert refreshes.begin(b"k", now)
        wait = min(LONGEST_WAIT, wait * 2)
    refreshes.end(b"k", True, now)
    assert refreshes.begin(b"k", now)
    refreshes.end(b"k", False, now)
    assert refreshes.begin(b"k", now + 1.0)
    assert (refreshes.succeeded, refreshes.failed) == (1, 9)


def test_refreshes_are_bounded() -> None:
    """In those that run, and in what is remembered of those that failed."""
    refreshes = Refreshes()
    assert sum(refreshes.begin(b"%d" % n, 0.0) for n in range(MAX_RUNNING + 5)) == MAX_RUNNING == len(refreshes)
    for n in range(MAX_FAILED + 5):
        refreshes.end(b"%d" % n, False, 0.0)
    assert refreshes.begin(b"0", 0.0)  # forgotten, so it may be tried at once
    assert not refreshes.begin(b"%d" % (MAX_FAILED + 4), 0.0)
