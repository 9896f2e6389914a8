"""What the engine asks of a protocol: one channel per user, one call at a time, the outcome by callback. Holds no protocol itself.

No task and no future per call: `call` returns at once and the listener is told the outcome from the event loop. MCP and SQL drivers
implement the same two protocols.
"""

from __future__ import annotations

from typing import Protocol

from slipstream_loadtest.measured.timings import CallTimings


class Listener(Protocol):
    """Who is told how a call ended."""

    def answered(self, error: str, cache: str, opened: bool, timings: CallTimings | None = None) -> None:
        """`error`: empty for a right answer, else the kind (tally.py). `cache`: outcome that the answer names, or empty. `opened`: the call
        had to open its connection. `timings`: what of its time wasn't the wait for the first byte, by the driver's clock, which is the
        run's; None, and free of cost, where all of it was: a connection that was there, an answer in one piece. The listener may start the
        next call from within."""
        ...


class Channel(Protocol):
    """One user's way to the target; at most one call at a time."""

    def call(self, scenario: int, step: int, iteration: int, drawn: int) -> None:
        """Starts a call; never answers from within."""
        ...

    def cancel(self) -> None:
        """Ends the call in progress without an answer; the connection is given up, since an answer may still come over it."""
        ...

    async def open(self) -> str:
        """Opens the connection ahead of the first call; the error kind when it can't."""
        ...

    def close(self) -> None:
        """Gives up the connection; a call in progress is cancelled."""
        ...


class Driver(Protocol):
    """One target of a plan, in one protocol."""

    async def prepare(self) -> None:
        """Resolves names and compiles the plan's steps; raises TargetUnusable when nothing could ever be sent."""
        ...

    def channel(self, user: int, session: str, listener: Listener) -> Channel: ...


class TargetUnusable(Exception):  # noqa: N818 - names what is so, as PoolClosed does
    """The target can't be measured at all; the message says why and what to change."""
