"""The access log: which answers get a line, what is lost and counted, and what a line never says."""

from __future__ import annotations

import os
import threading
from typing import Any

import msgspec
import pytest

from slipstream_runtime.observe.access import ERRORS_PER_SECOND, MAX_WAITING, AccessLog, Line, cache_outcome, trace_id
from slipstream_runtime.observe.access_writer import AccessWriter

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"


class Rolls:
    """Random numbers that come as told, then again."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = list(numbers)
        self.at = 0

    def __call__(self) -> float:
        self.at += 1
        return self.numbers[(self.at - 1) % len(self.numbers)]


def line(**changes: Any) -> Line:
    fields: dict[str, Any] = {
        "time": "t",
        "pool": "m",
        "operation": "GET *",
        "status": 200,
        "end": "complete",
        "total_seconds": 0.5,
        "bytes": 7,
    }
    return Line(**{**fields, **changes})


def test_a_share_of_answers_gets_a_line() -> None:
    """Below the share, not at it."""
    access = AccessLog(0.25, Rolls(0.0, 0.24, 0.25, 0.9))
    assert [access.wanted(False, 0.0) for _ in range(4)] == [True, True, False, False]
    assert access.suppressed == 0


def test_failures_are_told_beyond_the_share_up_to_a_rate() -> None:
    """So many at once, as many a second, the rest counted; what is no failure uses none of it up."""
    access = AccessLog(0.1, Rolls(0.5))
    assert not access.wanted(False, 100.0)
    assert sum(access.wanted(True, 100.0) for _ in range(ERRORS_PER_SECOND + 5)) == ERRORS_PER_SECOND
    assert access.suppressed == 5
    assert sum(access.wanted(True, 100.5) for _ in range(ERRORS_PER_SECOND)) == ERRORS_PER_SECOND // 2
    assert sum(access.wanted(True, 900.0) for _ in range(1_000)) == ERRORS_PER_SECOND


def test_with_a_share_of_one_nothing_is_left_out() -> None:
    """Whatever the roll, failures included."""
    access = AccessLog(1.0, Rolls(0.999999))
    assert all(access.wanted(failed, 0.0) for failed in (True, False) * 1_000)
    assert access.suppressed == 0


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_that_means_nothing_is_refused(share: float) -> None:
    """0 is no log at all: there is none to make."""
    with pytest.raises(ValueError, match="share="):
        AccessLog(share, Rolls(0.0))


def test_lines_beyond_the_bound_are_dropped_and_counted() -> None:
    """The oldest stay; after a write there is room again."""
    access = AccessLog(1.0, Rolls(0.0))
    for number in range(MAX_WAITING + 3):
        access.add(line(status=number))
    assert (access.kept, access.dropped) == (MAX_WAITING, 3)
    lines = access.take().splitlines()
    assert [msgspec.json.decode(lines[at])["status"] for at in (0, -1)] == [0, MAX_WAITING - 1]
    assert access.take() == b""
    access.add(line())
    assert (access.kept, access.dropped) == (MAX_WAITING + 1, 3)


def test_what_is_not_known_is_left_out() -> None:
    """One JSON object a line, names in camel case."""
    access = AccessLog(1.0, Rolls(0.0), wall=lambda: 1_700_000_000.5)
    access.add(line(time=access.stamp(), first_byte_seconds=0.25))
    data = access.take()
    assert data.endswith(b"}\n")
    assert msgspec.json.decode(data) == {
        "time": "2023-11-14T22:13:20.500Z",
        "pool": "m",
        "operation": "GET *",
        "status": 200,
        "end": "complete",
        "totalSeconds": 0.5,
        "bytes": 7,
        "firstByteSeconds": 0.25,
    }


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"00-" + TRACE + b"-00f067aa0ba902b7-01", TRACE.decode()),
        (b"cc-" + TRACE + b"-00f067aa0ba902b7-01-what-the-future-has", TRACE.decode()),
        (None, None),
        (b"", None),
        (b"ff-" + TRACE + b"-00f067aa0ba902b7-01", None),
        (b"00-" + TRACE.upper() + b"-00f067aa0ba902b7-01", None),
        (b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", None),
        (b"00-" + TRACE + b"_00f067aa0ba902b7-01", None),
        (b"00-" + TRACE + b"-00f067aa0ba902b7", None),
    ],
)
def test_a_trace_id_is_one_or_none(value: bytes | None, found: str | None) -> None:
    """Whatever a client sends, a line has 32 hexadecimal digits or nothing."""
    assert trace_id(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"; hit; ttl=12", "hit"),
        (b"; hit; ttl=-3; detail=status-503", "stale"),
        (b"; fwd=uri-miss; stored", "uri-miss"),
        (b"; fwd=uri-miss; stored; collapsed", "coalesced"),
        (b"; fwd=bypass; detail=authorization", "bypass"),
        (b"; what", "unknown"),
    ],
)
def test_the_cache_outcome_is_what_cache_status_says(value: bytes, found: str) -> None:
    """As it is told to the client."""
    assert cache_outcome(value) == found


def test_a_reader_that_does_not_read_holds_up_nobody_but_the_thread() -> None:
    """`add` returns at once while the write blocks; what waits is bounded; all of it comes once it is read."""
    access, entered, let = AccessLog(1.0, Rolls(0.0)), threading.Event(), threading.Event()
    written: list[bytes] = []

    def write(data: bytes) -> None:
        entered.set()
        let.wait(30)
        written.append(data)

    writer = AccessWriter(access, write)
    access.add(line(status=1))
    writer.start()
    assert entered.wait(30)
    for _ in range(MAX_WAITING + 1):
        access.add(line(status=2))
    assert (access.dropped, written) == (1, [])
    let.set()
    writer.stop(30)
    assert b"".join(written).count(b"\n") == MAX_WAITING + 1


def test_a_reader_that_has_gone_ends_the_log_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """What comes later is dropped, and counted."""
    reading, writing = os.pipe()
    os.close(reading)
    access = AccessLog(1.0, Rolls(0.0))
    access.add(line())
    writer = AccessWriter(access, lambda data: os.write(writing, data))
    writer.start()
    writer.stop(30)
    os.close(writing)
    assert "access log ends" in caplog.text
    for _ in range(MAX_WAITING + 2):
        access.add(line())
    assert access.dropped == 2
