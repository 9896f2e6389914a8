"""A driver without a network: each call takes as long, and ends, as a script says. For engine tests on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from slipstream_loadtest.engine.driver import Listener


class LoopClock:
    """The running loop's time as the run's clock: virtual where the loop's is."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()


@dataclass
class Call:
    """One call as the script sees it: who, what, when (loop time)."""

    user: int
    scenario: int
    step: int
    iteration: int
    drawn: int
    at: float


Script = Callable[[Call], tuple[float | None, str]]  # seconds until the answer (None: never) and the error kind


def takes(seconds: float, error: str = "") -> Script:
    """Every call takes as long and ends alike."""
    return lambda call: (seconds, error)


@dataclass
class ScriptedDriver:
    """A target that answers by script; remembers every call."""

    script: Script
    calls: list[Call] = field(default_factory=list)
    opened: list[int] = field(default_factory=list)
    closed: int = 0
    cancelled: int = 0

    async def prepare(self) -> None:
        return None

    def channel(self, user: int, session: str, listener: Listener) -> ScriptedChannel:
        return ScriptedChannel(self, user, listener)

    def sessions_of(self, user: int) -> list[Call]:
        return [call for call in self.calls if call.user == user]


class ScriptedChannel:
    """One user's way to the scripted target."""

    def __init__(self, driver: ScriptedDriver, user: int, listener: Listener) -> None:
        self._driver = driver
        self._user = user
        self._listener = listener
        self._answer: asyncio.TimerHandle | None = None
        self._connected = False
        self.busy = False

    def call(self, scenario: int, step: int, iteration: int, drawn: int) -> None:
        assert not self.busy, "two calls at a time on one channel"
        self.busy = True
        loop = asyncio.get_running_loop()
        call = Call(self._user, scenario, step, iteration, drawn, loop.time())
        self._driver.calls.append(call)
        opened, self._connected = not self._connected, True
        seconds, error = self._driver.script(call)
        if seconds is not None:
            self._answer = loop.call_later(seconds, self._end, error, opened)

    def _end(self, error: str, opened: bool) -> None:
        self.busy = False
        self._answer = None
        self._listener.answered(error, "", opened)

    def cancel(self) -> None:
        self._driver.cancelled += self.busy
        self.busy = self._connected = False
        if self._answer is not None:
            self._answer.cancel()
            self._answer = None

    async def open(self) -> str:
        self._driver.opened.append(self._user)
        self._connected = True
        return ""

    def close(self) -> None:
        self._driver.closed += 1
        self.cancel()
