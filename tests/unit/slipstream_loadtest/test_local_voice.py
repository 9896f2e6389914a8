"""What a local runner says to its parent: in order, and without waiting for a parent that is slow to read."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from slipstream_loadtest.runner.local_child import Voice


class Slow(io.StringIO):
    """A pipe that is full until it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read = threading.Event()

    def write(self, text: str) -> int:
        assert self.read.wait(10)
        return super().write(text)


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
