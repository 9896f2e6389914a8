"""HTTP/1.1 on raw asyncio protocols: kept-alive connections, request bytes rendered ahead, answers read by their heads.

Puts a target together: compiled steps, addresses, TLS, and the lines that users have or share. Sends and times nothing itself.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from slipstream_loadtest.engine.driver import Channel, Listener, TargetUnusable
from slipstream_loadtest.http.answer import needs_body
from slipstream_loadtest.http.channel import OwnChannel, SharedChannel, SharedLines
from slipstream_loadtest.http.connection import Connection
from slipstream_loadtest.http.dialer import Address, Dialer, addressed, context_of
from slipstream_loadtest.http.head import Heads
from slipstream_loadtest.http.line import Way
from slipstream_loadtest.http.request import CompiledStep, compile_scenarios
from slipstream_loadtest.plan.model import Plan, Tls
from slipstream_loadtest.plan.shares import share
from slipstream_loadtest.plan.template import TemplateError

Resolve = Callable[[str, int], Awaitable[list[str]]]


class HttpDriver:
    """One target over HTTP. `resolve` gives the addresses of a name; users are spread over them in turn. `now`: the run's clock."""

    def __init__(
        self, plan: Plan, url: str, resolve: Resolve, *, tls: Tls | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._plan = plan
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TargetUnusable(f"{url!r} can't be measured: write http://host:port")
        context = context_of(tls) if parts.scheme == "https" else None
        self._host, self._netloc, self._base = parts.hostname, parts.netloc, parts.path
        self._port = parts.port or (443 if context else 80)
        self._resolve = resolve
        self._addresses: list[Address] = []
        self._steps: tuple[tuple[CompiledStep, ...], ...] = ()
        self._shared: SharedLines | None = None
        bodies = any(needs_body(step.expect, step.extract) for scenario in plan.scenarios for step in scenario.steps)
        heads = Heads()
        name = tls.server_name if tls is not None and tls.server_name else self._host
        dialer = Dialer(lambda: Connection(heads, bodies), now, context, name)
        self._way = Way(dialer, now, plan.connections.reuse, plan.timeout_ms / 1000)

    async def prepare(self) -> None:
        """Compiles the steps and resolves the name, once: a target doesn't move during a run."""
        plan = self._plan
        try:
            self._steps = compile_scenarios(plan.scenarios, plan.data, self._netloc, self._base, reuse=plan.connections.reuse)
        except TemplateError as error:
            raise TargetUnusable(str(error)) from None
        self._addresses = [addressed(text, self._port) for text in await self._resolve(self._host, self._port)]
        if not self._addresses:
            raise TargetUnusable(f"{self._host} has no address")

    def channel(self, user: int, session: str, listener: Listener) -> Channel:
        steps = tuple(tuple(step.bind(user, session) for step in scenario) for scenario in self._steps)
        if self._plan.connections.shared:
            return SharedChannel(self._lines(user), steps, listener)
        return OwnChannel(self._way, self._addresses[user % len(self._addresses)], steps, listener)

    def _lines(self, user: int) -> SharedLines:
        """This runner's share of the connections; every one of its users has the runner's index as remainder (shares.py)."""
        if self._shared is None:
            plan = self._plan
            count = max(1, share(plan.connections.shared, user % plan.runners, plan.runners))
            self._shared = SharedLines(self._way, self._addresses, count)
        return self._shared
