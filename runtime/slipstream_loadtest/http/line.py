"""One connection and the exchange in progress over it: dialling, sending, judging what came. Knows no users and no turns.

The hot path (write, read, check, write) runs in the protocol's callbacks; only dialling takes a task. Clocks are read where a call differs
from the common one, and nowhere else. Deliberately sends nothing twice: a request that was lost with its connection is a failed call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from slipstream_loadtest.engine.driver import Listener
from slipstream_loadtest.http.answer import Values
from slipstream_loadtest.http.connection import Connection
from slipstream_loadtest.http.dialer import Address, Dialer, NotConnected
from slipstream_loadtest.http.head import Head
from slipstream_loadtest.http.request import BoundStep
from slipstream_loadtest.measured.tally import MALFORMED, RESET, TIMEOUT
from slipstream_loadtest.measured.timings import CallTimings

_STATUS_KINDS: Final = {status: f"Status{status}" for status in range(100, 600)}


@dataclass(frozen=True, slots=True)
class Way:
    """How lines of one target are opened and used. `patience`: seconds for a connection ahead of the first call; a call's own time is the
    engine's to limit."""

    dialer: Dialer
    now: Callable[[], float]
    reuse: bool
    patience: float


class Line:
    """At most one exchange at a time; its end goes to `listener`."""

    __slots__ = (
        "_address",
        "_bound",
        "_connect",
        "_connection",
        "_dialling",
        "_drawn",
        "_first",
        "_iteration",
        "_listener",
        "_opened",
        "_split",
        "_tls",
        "_values",
        "_way",
        "busy",
    )

    def __init__(self, way: Way, address: Address, listener: Listener) -> None:
        self._way = way
        self._address = address
        self._listener = listener
        self._connection: Connection | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._bound: BoundStep
        self._values: Values = {}
        self._iteration = self._drawn = 0
        self._split = self._opened = False  # split: its time is in more than one phase
        self._connect = self._tls = None
        self._first = 0.0
        self.busy = False

    _connect: float | None
    _tls: float | None

    def send(self, bound: BoundStep, iteration: int, drawn: int, values: Values) -> None:
        """Starts an exchange; its end never comes from within."""
        self._bound = bound
        self._iteration = iteration
        self._drawn = drawn
        self._values = values
        self.busy = True
        connection = self._connection
        if connection is None or connection.closing:
            self._redial()
            return
        connection.head_only = bound.head_only
        connection.write(bound.fixed or bound.render(iteration, drawn, values))

    def cancel(self) -> None:
        """Ends the exchange without an answer; the connection is given up, since an answer may still come over it."""
        self.busy = False
        self._split = self._opened = False
        self._forget()

    async def open(self) -> str:
        """A connection ahead of the first call; returns the error kind, empty when it is open or none is kept."""
        if self._connection is not None or not self._way.reuse:
            return ""
        try:
            async with asyncio.timeout(self._way.patience):
                self._took((await self._way.dialer.dial(self._address, self._way.now())).connection)
        except NotConnected as error:
            return error.kind
        except TimeoutError:
            return TIMEOUT
        return ""

    def finished(self, head: Head, body: bytes | bytearray, reusable: bool) -> None:
        """A whole answer has come."""
        if not reusable or not self._way.reuse:
            self._forget(gently=True)
        if not self.busy:
            return
        self.busy = False
        bound = self._bound
        error = ""
        if head.status not in bound.statuses:
            error = _STATUS_KINDS.get(head.status, MALFORMED)
        elif bound.answer is not None:
            error = bound.answer.judge(head, body, self._iteration, self._drawn, self._values)
        if self._split:
            self._end(error, head.cache)
        else:
            self._listener.answered(error, head.cache, False)

    def began(self) -> None:
        """A part of the answer has come."""
        if not self._first:
            self._split = True
            self._first = self._way.now()

    def broken(self, connection: Connection, kind: str) -> None:
        """The connection ended or spoke nonsense."""
        if connection is not self._connection:
            return
        self._forget()
        if self.busy:
            self._end(kind, "")

    def _end(self, error: str, cache: str) -> None:
        """The end of an exchange whose time is told apart, or that failed."""
        last = self._way.now() - self._first if self._first else 0.0
        opened, timings = self._opened, CallTimings(0.0, self._connect, self._tls, last)
        self.busy = self._split = self._opened = False
        self._connect = self._tls = None
        self._first = 0.0
        self._listener.answered(error, cache, opened, timings)

    def _redial(self) -> None:
        self._forget()
        self._opened = self._split = True
        self._connect = self._tls = None
        self._first = 0.0
        self._dialling = asyncio.get_running_loop().create_task(self._dial_and_send(self._way.now()))

    async def _dial_and_send(self, begun: float) -> None:
        bound = self._bound
        try:
            dialled = await self._way.dialer.dial(self._address, begun)
        except NotConnected as error:
            self._dialling = None
            self._end(error.kind, "")
            return
        self._dialling = None
        connection = self._took(dialled.connection)
        self._connect, self._tls = dialled.connect, dialled.tls
        if connection.closing:
            self._forget()
            self._end(RESET, "")
            return
        connection.head_only = bound.head_only
        connection.write(bound.fixed or bound.render(self._iteration, self._drawn, self._values))

    def _took(self, connection: Connection) -> Connection:
        connection.owner = self
        self._connection = connection
        return connection

    def _forget(self, *, gently: bool = False) -> None:
        """Gives the connection up; whatever still arrives on it is nobody's."""
        if self._dialling is not None:
            self._dialling.cancel()
            self._dialling = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.owner = None
            if gently:
                connection.transport.close()
            else:
                connection.transport.abort()
