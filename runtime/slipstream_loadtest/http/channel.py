"""A user's way to the target: over a line of its own, or over one of a few that all take turns at. Reads no bytes."""

from __future__ import annotations

from collections import deque

from slipstream_loadtest.engine.driver import Listener
from slipstream_loadtest.http.answer import Values
from slipstream_loadtest.http.dialer import Address
from slipstream_loadtest.http.line import Line, Way
from slipstream_loadtest.http.request import BoundStep
from slipstream_loadtest.measured.timings import CallTimings

Steps = tuple[tuple[BoundStep, ...], ...]


class OwnChannel(Line):
    """A user with a connection of its own."""

    __slots__ = ("_extracts", "_steps")

    def __init__(self, way: Way, address: Address, steps: Steps, listener: Listener) -> None:
        super().__init__(way, address, listener)
        self._steps = steps
        self._extracts = any(step.extracts for scenario in steps for step in scenario)

    def call(self, scenario: int, step: int, iteration: int, drawn: int) -> None:
        values = self._values
        if step == 0 and self._extracts:
            values = {}  # of this iteration alone
        self.send(self._steps[scenario][step], iteration, drawn, values)

    def close(self) -> None:
        self.cancel()


class SharedChannel:
    """A user that waits for one of the lines; what it waits is told as `queue`."""

    __slots__ = ("_asked", "_lines", "_listener", "_on", "_queue", "_steps", "_turn", "_values", "_wanted", "ticket")

    def __init__(self, lines: SharedLines, steps: Steps, listener: Listener) -> None:
        self._lines = lines
        self._steps = steps
        self._listener = listener
        self._values: Values = {}
        self._asked = self._queue = 0.0
        self._wanted = (0, 0, 0, 0)
        self._on: _Shared | None = None
        self.ticket = 0  # of the call that waits or runs; another one when that is over

    def call(self, scenario: int, step: int, iteration: int, drawn: int) -> None:
        if step == 0:
            self._values = {}
        self._wanted = (scenario, step, iteration, drawn)
        self._asked = self._queue = 0.0
        self.ticket += 1
        if not self._lines.take(self):
            self._asked = self._lines.now()

    def granted(self, line: _Shared) -> None:
        """It is this user's turn."""
        if self._asked:
            self._queue = self._lines.now() - self._asked
        self._on = line
        scenario, step, iteration, drawn = self._wanted
        line.send(self._steps[scenario][step], iteration, drawn, self._values)

    def ended(self, error: str, cache: str, opened: bool, timings: CallTimings | None) -> None:
        self._on = None
        self.ticket += 1
        if self._queue:
            timings = (timings or CallTimings())._replace(queue=self._queue)
        self._listener.answered(error, cache, opened, timings)

    def cancel(self) -> None:
        self.ticket += 1
        line, self._on = self._on, None
        if line is not None:
            line.cancel()
            self._lines.free(line)

    async def open(self) -> str:
        return await self._lines.open_next()

    def close(self) -> None:
        self.cancel()
        self._lines.close()


class _Shared(Line):
    """A line and the user whose turn it is."""

    __slots__ = ("user",)

    user: SharedChannel | None


class _Turns:
    """Listens to a shared line: the next in the queue goes on before the one that has its answer asks again."""

    def __init__(self, lines: SharedLines) -> None:
        self._lines = lines
        self.line: _Shared

    def answered(self, error: str, cache: str, opened: bool, timings: CallTimings | None = None) -> None:
        user = self.line.user
        self._lines.free(self.line)
        if user is not None:
            user.ended(error, cache, opened, timings)


class SharedLines:
    """The lines that all users of a runner take turns at, first come, first served."""

    def __init__(self, way: Way, addresses: list[Address], count: int) -> None:
        self.now = way.now
        self._free: deque[_Shared] = deque()
        self._waiting: deque[tuple[SharedChannel, int]] = deque()
        self._lines: list[_Shared] = []
        self._opened = 0
        for number in range(count):
            turns = _Turns(self)
            turns.line = line = _Shared(way, addresses[number % len(addresses)], turns)
            line.user = None
            self._lines.append(line)
            self._free.append(line)

    def take(self, user: SharedChannel) -> bool:
        """A line for this user at once, or a place at the end of the queue."""
        if not self._free:
            self._waiting.append((user, user.ticket))
            return False
        line = self._free.popleft()
        line.user = user
        user.granted(line)
        return True

    def free(self, line: _Shared) -> None:
        """A line's exchange is over; whoever has given up waiting is passed over."""
        line.user = None
        while self._waiting:
            user, ticket = self._waiting.popleft()
            if user.ticket == ticket:
                line.user = user
                user.granted(line)
                return
        self._free.append(line)

    async def open_next(self) -> str:
        if self._opened >= len(self._lines):
            return ""
        self._opened += 1
        return await self._lines[self._opened - 1].open()

    def close(self) -> None:
        self._waiting.clear()
        for line in self._lines:
            line.cancel()
