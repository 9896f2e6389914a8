"""What a local runner says to its parent: in order, and without waiting for a parent that is slow to read."""

from __future__ import annotations

import asyncio
import io
import sys
import threading

import msgspec
import pytest

from slipstream_loadtest.engine.progress import Progress
from slipstream_loadtest.runner.local import _Child, _listen, _Told
from slipstream_loadtest.runner.local_child import Voice
from slipstream_loadtest.runner.wire import PROGRESS_MARK


class Slow(io.StringIO):
    """A pipe that is full until it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read = threading.Event()

    def write(self, text: str) -> int:
        assert self.read.wait(10)
        return super().write(text)


class Ended:
    """A process that has printed this, and nothing more."""

    returncode = -9

    def __init__(self, printed: bytes) -> None:
        self.stdout, self.stderr = asyncio.StreamReader(), asyncio.StreamReader()
        self.stdout.feed_data(printed)
        for stream in (self.stdout, self.stderr):
            stream.feed_eof()

    async def wait(self) -> int:
        return self.returncode


async def test_a_word_that_was_cut_is_none() -> None:
    """A runner that is killed while it speaks: what it had said before counts, and nobody fails over the rest."""
    whole = PROGRESS_MARK.encode() + msgspec.json.encode(Progress(phases=2, phase=1, completed=7)) + b"\n"
    for cut in range(len(whole)):
        child = _Child(0, Ended(whole + whole[:cut]))  # type: ignore[arg-type]  # as much of a process as is asked
        await _listen(child, [child], _Told(None, None))
        assert (child.progress.completed, child.over, child.ready.is_set()) == (7, True, True)


async def test_who_speaks_waits_for_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred lines are said while nobody reads; all of them come, in their order, once somebody does."""
    pipe = Slow()
    monkeypatch.setattr(sys, "stdout", pipe)
    voice = Voice()
    for number in range(100):
        voice.say(str(number))
    assert (voice.busy, pipe.getvalue()) == (True, "")
    pipe.read.set()
    await voice.close()
    assert pipe.getvalue().split() == [str(number) for number in range(100)]
    assert not voice.busy
