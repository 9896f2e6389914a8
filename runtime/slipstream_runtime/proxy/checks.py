"""Background health checks: does the upstream answer? Tells status and metrics only; no request is refused because of one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from slipstream_api.config import HealthCheck, Pool
from slipstream_runtime.cores.health import Health
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.proxy.context import Context
from slipstream_runtime.proxy.dialer import Dialer, DialError
from slipstream_runtime.proxy.failures import RESET, Failure
from slipstream_runtime.proxy.parties import Call, Owner
from slipstream_runtime.proxy.upstream import UpstreamConnection

log = logging.getLogger("slipstream.health")


class Checker:
    """Checks one upstream over connections of its own, so that a full pool doesn't look like a sick upstream."""

    def __init__(self, config: Pool, context: Context, dialer: Dialer, uniform: Callable[[], float]) -> None:
        self._name = config.name
        self._upstream = config.upstream
        self._context = context
        self._dialer = dialer
        self._uniform = uniform
        self._task: asyncio.Task[None] | None = None
        self.health: Health | None = None

    @property
    def healthy(self) -> bool:
        return self.health is None or self.health.healthy

    def configure(self, check: HealthCheck | None) -> None:
        if check is None:
            self.health = None
            if self._task is not None:
                self._task.cancel()
        elif self.health is None:
            self.health = Health(check, self._context.now, self._uniform())
        else:
            self.health.reconfigure(check, self._context.now)

    def sweep(self, now: float) -> None:
        health = self.health
        if health is not None and self._task is None and health.due(now):
            health.started(now)
            self._task = asyncio.get_running_loop().create_task(self._run(health))
            self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None

    async def _run(self, health: Health) -> None:
        check = health.check
        succeeded, detail = await self._check(check)
        if health.record(succeeded, self._context.clock.now()):
            log.warning("health", extra={"pool": self._name, "healthy": health.healthy, "detail": detail})

    async def _check(self, check: HealthCheck) -> tuple[bool, str]:
        """Whether the upstream is well, within the check's timeout, and what it said."""
        timeout = check.timeout_ms / 1_000
        probe = _Probe()
        try:
            async with asyncio.timeout(timeout):
                _, connection = await self._dialer.connect(
                    lambda: UpstreamConnection(_Nobody(), self._context.answers), self._upstream, timeout
                )
                try:
                    if not check.path:
                        return True, "connected"
                    if connection.closed:  # nobody would tell the probe
                        return False, RESET.message
                    connection.start(probe, b"GET", self._request(check.path), True)
                    return await probe.result
                finally:
                    connection.abandon()
        except DialError as error:
            return False, str(error)
        except TimeoutError:
            return False, f"no answer within {timeout} s"

    def _request(self, path: str) -> bytes:
        host = f"[{self._upstream.host}]" if ":" in self._upstream.host else self._upstream.host
        fields = f"Host: {host}:{self._upstream.port}\r\nUser-Agent: slipstream-health\r\nConnection: close"
        return f"GET {path} HTTP/1.1\r\n{fields}\r\n\r\n".encode()


class _Probe(Call):
    """The one request of a check."""

    def __init__(self) -> None:
        self.result: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()

    def _settle(self, well: bool, detail: str) -> None:
        if not self.result.done():
            self.result.set_result((well, detail))

    def on_answer(self, head: AnswerHead, body: bytes, complete: bool) -> None:
        self._settle(head.status < 400, f"status {head.status}")

    def on_failure(self, failure: Failure, untouched: bool) -> None:
        self._settle(False, failure.message)

    def on_switch(self, head: AnswerHead, rest: bytes) -> None:
        self._settle(False, "status 101")

    def on_interim(self, head: AnswerHead) -> None:
        """The answer is still to come."""

    def on_body(self, data: bytes, complete: bool) -> None:
        """The status said enough."""

    def on_upstream_writable(self, writable: bool) -> None:
        """One short request never fills a socket."""


class _Nobody(Owner):
    """A check's connection belongs to no pool."""

    def released(self, connection: UpstreamConnection) -> None:
        """Not pooled: closed when the check ends."""

    def lost(self, connection: UpstreamConnection) -> None:
        """Nothing to give back."""
