"""HTTP/1.1 on raw asyncio protocols: one kept-alive connection per user, request bytes rendered ahead, answers read by httptools.

The hot path (write, read, check, write) runs in the protocol's callbacks; only dialling takes a task. Times nothing: the engine does.
Deliberately sends nothing twice: a request that was lost with its connection is a failed call.
"""

from __future__ import annotations

import asyncio
import errno
import re
import ssl
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from slipstream_loadtest.engine.driver import Listener, TargetUnusable
from slipstream_loadtest.http import cache_status
from slipstream_loadtest.http.connection import BodyConnection, Connection
from slipstream_loadtest.http.request import BoundStep, CompiledStep, compile_scenarios
from slipstream_loadtest.measured.tally import CONNECT, LOCAL_PORTS, MALFORMED, RESET, WRONG
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.template import TemplateError

_CACHE_STATUS: Final = re.compile(rb"\r\ncache-status:[ \t]*([^\r\n]*)", re.IGNORECASE)
_LOCAL_ERRNOS: Final = frozenset({errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS})
_STATUS_KINDS: Final = {status: f"Status{status}" for status in range(100, 600)}
_MEMO_SIZE: Final = 1024

Resolve = Callable[[str, int], Awaitable[list[str]]]


class HttpDriver:
    """One target over HTTP. `resolve` gives the addresses of a name; users are spread over them in turn."""

    def __init__(self, plan: Plan, url: str, resolve: Resolve) -> None:
        self._plan = plan
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TargetUnusable(f"{url!r} can't be measured: write http://host:port")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host, self._netloc, self._base = parts.hostname, parts.netloc, parts.path
        self._port = parts.port or (443 if self._tls else 80)
        self._resolve = resolve
        self._addresses: list[str] = []
        self._steps: tuple[tuple[CompiledStep, ...], ...] = ()
        self._checks_body = any(step.expect.contains for scenario in plan.scenarios for step in scenario.steps)
        self._memo: dict[bytes, str] = {}

    async def prepare(self) -> None:
        """Compiles the steps and resolves the name, once: a target doesn't move during a run."""
        try:
            self._steps = compile_scenarios(self._plan.scenarios, self._plan.data, self._netloc, self._base)
        except TemplateError as error:
            raise TargetUnusable(str(error)) from None
        self._addresses = await self._resolve(self._host, self._port)
        if not self._addresses:
            raise TargetUnusable(f"{self._host} has no address")

    def channel(self, user: int, session: str, listener: Listener) -> HttpChannel:
        steps = tuple(tuple(step.bind(user, session) for step in scenario) for scenario in self._steps)
        return HttpChannel(self, self._addresses[user % len(self._addresses)], steps, listener)

    async def connect(self, address: str) -> Connection:
        """A new connection to one of the target's addresses; raises OSError."""
        kind = BodyConnection if self._checks_body else Connection
        name = self._host if self._tls else None
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(kind, address, self._port, ssl=self._tls, server_hostname=name)
        return connection

    def cache_outcome(self, header: bytes) -> str:
        """The outcome in a Cache-Status header; remembers the ones seen, boundedly (some carry a changing ttl)."""
        known = self._memo.get(header)
        if known is None:
            if len(self._memo) >= _MEMO_SIZE:
                self._memo.clear()
            known = self._memo[header] = cache_status.outcome(header.decode("latin-1"))
        return known


class HttpChannel:
    """One user's connection and the call in progress over it."""

    __slots__ = (
        "_address",
        "_bound",
        "_connection",
        "_dialling",
        "_drawn",
        "_driver",
        "_iteration",
        "_listener",
        "_opened",
        "_steps",
        "busy",
    )

    def __init__(
        self,
        driver: HttpDriver,
        address: str,
        steps: tuple[tuple[BoundStep, ...], ...],
        listener: Listener,
    ) -> None:
        self._driver = driver
        self._address = address
        self._steps = steps
        self._listener = listener
        self._connection: Connection | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._bound = steps[0][0]
        self._iteration = self._drawn = 0
        self._opened = False
        self.busy = False

    def call(self, scenario: int, step: int, iteration: int, drawn: int) -> None:
        bound = self._bound = self._steps[scenario][step]
        self._iteration = iteration
        self._drawn = drawn
        self.busy = True
        request = bound.fixed or bound.render(iteration, drawn)
        connection = self._connection
        if connection is None or connection.transport.is_closing():
            self._opened = True
            self._forget()
            self._dialling = asyncio.get_running_loop().create_task(self._dial_and_send(request))
            return
        self._opened = False
        connection.head_only = bound.head_only
        connection.transport.write(request)

    def cancel(self) -> None:
        self.busy = False
        self._forget()

    def close(self) -> None:
        self.cancel()

    async def open(self) -> str:
        """A connection ahead of the first call; returns the error kind, empty when it is open."""
        return "" if self._connection is not None else await self._dial()

    async def _dial(self) -> str:
        try:
            connection = await self._driver.connect(self._address)
        except OSError as error:
            return LOCAL_PORTS if error.errno in _LOCAL_ERRNOS else CONNECT
        connection.channel = self
        self._connection = connection
        return ""

    async def _dial_and_send(self, request: bytes) -> None:
        error = await self._dial()
        self._dialling = None
        connection = self._connection
        if error or connection is None or connection.transport.is_closing():
            self._failed(error or RESET)
            return
        connection.head_only = self._bound.head_only
        connection.transport.write(request)

    def finished(self, status: int, head: bytes, body: bytes | bytearray, reusable: bool, excess: bool) -> None:
        """A whole answer has come."""
        if not reusable:
            self._forget(gently=True)
        if not self.busy:
            return
        self.busy = False
        bound = self._bound
        error = ""
        if excess:
            error = MALFORMED  # more bytes than one answer: whose they are can't be told
        elif status not in bound.statuses:
            error = _STATUS_KINDS.get(status, MALFORMED)
        elif bound.checks_body and not bound.is_right(body, self._iteration, self._drawn):
            error = WRONG
        cache = ""
        if (b"ache-" in head or b"ACHE-" in head) and (named := _CACHE_STATUS.findall(head, 0, head.find(b"\r\n\r\n") + 2)):
            cache = self._driver.cache_outcome(named[-1])
        self._listener.answered(error, cache, self._opened)

    def broken(self, connection: Connection, kind: str) -> None:
        """The connection ended or spoke nonsense."""
        if connection is not self._connection:
            return
        self._forget()
        if self.busy:
            self._failed(kind)

    def _failed(self, kind: str) -> None:
        self.busy = False
        self._listener.answered(kind, "", self._opened)

    def _forget(self, *, gently: bool = False) -> None:
        """Gives the connection up; whatever still arrives on it is nobody's."""
        if self._dialling is not None:
            self._dialling.cancel()
            self._dialling = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.channel = None
            if gently:
                connection.transport.close()
            else:
                connection.transport.abort()
