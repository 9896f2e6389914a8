"""A real runtime in front of one upstream, and a client that reads answers strictly: for tests of the data path on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from slipstream_api.clock import Clock, MonotonicClock
from slipstream_api.config import (
    Bind,
    BreakerRule,
    CacheRule,
    HealthCheck,
    Invalidation,
    Limits,
    Match,
    Partition,
    Pool,
    RuntimeConfig,
    StoreConfig,
    Upstream,
)
from slipstream_runtime.proxy.addresses import Resolver
from slipstream_runtime.proxy.service import HttpService
from slipstream_runtime.runtime import Runtime

if TYPE_CHECKING:
    from slipstream_runtime.observe.tracing import Tracing

STORE = StoreConfig(name="s")


def cache_rule(path: str = "/c", **changes: Any) -> CacheRule:
    fields: dict[str, Any] = {
        "name": "r",
        "policy": "p",
        "store": "s",
        "match": Match(protocol="HTTP", methods=("GET",), path_kind="Exact", path=path),
        "ttl_ms": 60_000,
        "ttl_jitter_percent": 0,
        "partition": Partition(type="Shared"),
        "tags": ("t",),
    }
    return CacheRule(**{**fields, **changes})


def invalidation(path: str = "/w") -> Invalidation:
    return Invalidation(name="i", policy="p", match=Match(protocol="HTTP", methods=("POST",), path_kind="Exact", path=path), tags=("t",))


class Proxied:
    """The runtime, its pool `m`, and where it listens."""

    def __init__(self, runtime: Runtime, upstream_port: int, local_port: int) -> None:
        self.runtime = runtime
        self.upstream_port = upstream_port
        self.port = local_port
        self.callers: list[Caller] = []
        self.store = STORE  # for the next `apply`

    async def caller(self) -> Caller:
        """A new client connection, closed at the end."""
        self.callers.append(await Caller.open(self.port))
        return self.callers[-1]

    def config(self, **pool: Any) -> RuntimeConfig:
        fields: dict[str, Any] = {
            "name": "m",
            "upstream": Upstream(host="127.0.0.1", port=self.upstream_port),
            "binds": (Bind(kind="Local", address="127.0.0.1", port=self.port),),
        }
        return RuntimeConfig(namespace="n", workload="w", pools=(Pool(**{**fields, **pool}),), stores=(self.store,))

    async def apply(self, **pool: Any) -> None:
        await self.runtime.apply(self.config(**pool), "Local")

    @property
    def service(self) -> HttpService:
        return self.runtime.pools.services["m"]

    @property
    def core(self) -> Any:
        return self.service.pool.core


@asynccontextmanager
async def proxied(
    upstream_port: int,
    *,
    clock: Clock | None = None,
    limits: Limits | None = None,
    cache: tuple[CacheRule, ...] = (),
    invalidations: tuple[Invalidation, ...] = (),
    breakers: tuple[BreakerRule, ...] = (),
    upstream: Upstream | None = None,
    health: HealthCheck | None = None,
    resolver: Resolver | None = None,
    tls_folder: str = "",
    tracing: Tracing | None = None,
) -> AsyncIterator[Proxied]:
    """`upstream`: instead of 127.0.0.1 in plain text."""
    runtime = Runtime(clock or MonotonicClock(), resolver, tls_folder)
    runtime.context.tracing = tracing
    await runtime.start(None)
    found = Proxied(runtime, upstream_port, free_port())
    fields: dict[str, Any] = {"limits": limits or Limits(), "health_check": health}
    if upstream is not None:
        fields["upstream"] = upstream
    try:
        await found.apply(cache_rules=cache, invalidations=invalidations, breaker_rules=breakers, **fields)
        yield found
    finally:
        for caller in found.callers:
            caller.leave()
        await runtime.drain(0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Answer:
    def __init__(self, status: int, fields: dict[bytes, bytes], body: bytes) -> None:
        self.status = status
        self.fields = fields
        self.body = body


class Caller:
    """A client connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int) -> Caller:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def get(self, path: bytes = b"/", extra: bytes = b"", method: bytes = b"GET") -> None:
        self.send(b"%b %b HTTP/1.1\r\nHost: up\r\n%b\r\n" % (method, path, extra))

    def post(self, path: bytes, body: bytes = b"x") -> None:
        self.send(b"POST %b HTTP/1.1\r\nHost: up\r\nContent-Length: %d\r\n\r\n%b" % (path, len(body), body))

    async def answer(self, method: bytes = b"GET") -> Answer:
        """The next answer, read to where it says it ends; raises IncompleteReadError if it ends before."""
        head = (await self.reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        status = int(head[0].split(b" ")[1])
        fields = {name.lower(): value for name, value in (line.split(b": ", 1) for line in head[1:])}
        if method == b"HEAD" or status < 200 or status in (204, 304):
            return Answer(status, fields, b"")
        if fields.get(b"transfer-encoding") == b"chunked":
            body = b""
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readexactly(2)
            return Answer(status, fields, body)
        if b"content-length" in fields:
            return Answer(status, fields, await self.reader.readexactly(int(fields[b"content-length"])))
        return Answer(status, fields, await self.reader.read())

    async def ask(self, path: bytes = b"/", extra: bytes = b"", method: bytes = b"GET") -> Answer:
        self.get(path, extra, method)
        return await self.answer(method)

    async def ended(self) -> bool:
        """The proxy closed the connection, and nothing more came."""
        return await self.reader.read() == b""

    def leave(self) -> None:
        self.writer.transport.abort()


async def until(holds: Callable[[], object]) -> None:
    """Returns once it holds: a full round trip through the loop brings in what was sent."""
    while not holds():
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)


def metrics(proxy: Proxied) -> dict[str, dict[tuple[str, ...], float]]:
    """Samples by name and label values (in order of the labels' names), as a Prometheus would read them."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(proxy.runtime.metrics().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found
