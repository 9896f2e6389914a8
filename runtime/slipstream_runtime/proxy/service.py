"""One pool's rules in force over what the pool keeps: takes requests from clients and sends them on their way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from slipstream_api.addresses import is_address
from slipstream_api.config import Pool
from slipstream_runtime.cores.cache_status import BYPASS
from slipstream_runtime.cores.route import Operation, Router
from slipstream_runtime.http.heads import Limits
from slipstream_runtime.http.request import NO_TIMEOUT, RequestHead
from slipstream_runtime.proxy.bypass import BypassExchange
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.context import NEVER
from slipstream_runtime.proxy.exchange import STREAMING, Exchange
from slipstream_runtime.proxy.parties import Service
from slipstream_runtime.proxy.reading import begun, read
from slipstream_runtime.proxy.sending import Sending
from slipstream_runtime.proxy.state import PoolState
from slipstream_runtime.proxy.tunnel import TunnelEnd, join
from slipstream_runtime.proxy.upstream import UpstreamConnection

MAX_HOSTS: Final = 64  # remembered values of Host


class HttpService(Service):
    """Immutable but for its memo: a new configuration makes a new one, requests under way keep theirs."""

    def __init__(self, config: Pool, state: PoolState, router: Router, services: Mapping[str, HttpService] | None = None) -> None:
        self.config = config
        self.state = state
        self.tracker = state.tracker
        self.router = router
        self.services: Mapping[str, HttpService] = (
            {} if services is None else services
        )  # of the same configuration: where a fallback may lead
        self.context = state.context
        self.cache = state.cache
        self.flights = state.flights
        self.refreshes = state.refreshes
        self.circuits = state.circuits
        self.figures = state.figures
        self.pool = state.driver
        self.stores = state.stores
        limits = config.limits
        self.limits = Limits(limits.max_header_bytes, limits.max_headers, limits.max_url_bytes, limits.max_body_bytes)
        self._timeout = config.limits.request_timeout_ms / 1_000
        self._authority = authority(config)
        self._hosts: dict[bytes, bytes] = {}

    def handle(self, client: Client, head: RequestHead, body: bytes, complete: bool) -> Exchange | None:
        """Take one request; None where it is answered already."""
        line = head.line
        operation: Operation
        if line.routed_by is self.router:
            operation = line.operation
        else:
            operation = self.router.route(line.method, line.path)
            line.routed_by, line.operation = self.router, operation
        self.figures.requests += 1
        if head.timeout_ms != NO_TIMEOUT:
            head.until = self.context.time() + head.timeout_ms / 1_000
        plan = operation.cache
        if plan is not None:
            return read(self, client, head, body, complete, operation, plan)
        return begun(Exchange(self, client, head, operation), body, complete, self.context.time())

    def take_over(self, client: Client, head: RequestHead, made: int) -> Exchange | None:
        """A request whose own upstream can't answer, after `made` attempts there; None where it is answered already."""
        operation = self.router.route(head.method, head.line.path)
        self.figures.requests += 1
        exchange = BypassExchange(self, client, head, operation, True, BYPASS, "fallback")
        exchange.goes_on(made)
        return begun(exchange, b"", True, self.context.time())

    def host_for(self, head: RequestHead) -> bytes:
        """What replaces the client's Host: the upstream's own name where the client used a loopback address of ours, else nothing."""
        own = head.host_field
        value = head.host if own is None else own.value
        if value is None:
            return self._authority
        replacement = self._hosts.get(value)
        if replacement is None:
            replacement = self._authority if is_own(value) else b""
            if len(self._hosts) < MAX_HOSTS:
                self._hosts[value] = replacement
        return replacement

    def open_for(self, operation: Operation) -> float:
        """Seconds until the operation's circuit may let a call through; 0 where it isn't open or nobody can say."""
        now = self.context.time()
        breaker = None if operation.circuit is None else self.circuits.get(operation.circuit, now)
        return 0.0 if breaker is None else breaker.retry_after(now)

    def linger_until(self) -> float:
        """How long an effect of a write that ended without an answer is reckoned with: one request timeout."""
        return self.context.time() + self._timeout

    # -- deadlines --------------------------------------------------------------------------------------------------------

    def due(self, since: float) -> float:
        """When the answer is, to a request that is complete since then."""
        return since + self._timeout

    def wait(self, exchange: Sending, since: float) -> None:
        """An answer is due `requestTimeout` after `since`, or when the caller's own time is over."""
        until = exchange.head.until
        if until < NEVER:
            self.tracker.wait(exchange, min(self.due(since), until))
            exchange.wake_at(until)
        else:
            self.tracker.wait(exchange, since + self._timeout)

    def flow(self, exchange: Sending) -> None:
        """A body flows, and may stand still for `requestTimeout`. Before an answer has begun the caller's own time ends as well."""
        until = exchange.head.until
        self.tracker.flow(exchange, self._timeout, self.context.now)
        if until < NEVER and exchange.state != STREAMING:
            exchange.wake_at(until)

    # -- upgrades ---------------------------------------------------------------------------------------------------------

    def tunnel(self, client: Client, connection: UpstreamConnection, rest: bytes) -> None:
        """Join both connections raw; the pool counts the upstream's until it ends."""
        context = self.context
        context.tunnels += 1

        def closed() -> None:
            context.tunnels -= 1

        near, far = TunnelEnd(closed), TunnelEnd(connection.close)  # it counts until the caller has read its end
        near.transport, ahead = client.detach()
        far.transport = connection.detach()
        join(near, far)
        if not client.writable:
            near.pause_writing()  # the client's transport has said so to others, and doesn't again
        near.transport.set_protocol(near)  # type: ignore[arg-type]  # duck-typed: asyncio calls the methods, not the base class
        far.transport.set_protocol(far)  # type: ignore[arg-type]  # as above
        if rest:
            near.transport.write(rest)
        if ahead:
            far.transport.write(ahead)


def authority(config: Pool) -> bytes:
    """The upstream as a Host field names it."""
    upstream = config.upstream
    host = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
    default = 80 if upstream.tls.mode == "Disabled" else 443
    return host.encode("ascii") if upstream.port == default else f"{host}:{upstream.port}".encode("ascii")


def is_own(host: bytes) -> bool:
    """Whether a Host is a loopback address, so how the client reaches us and not what the upstream is called."""
    name = host.decode("ascii").lower()
    if name[:1] == "[":
        return name[1:].partition("]")[0] == "::1"
    name = name.partition(":")[0]
    return name == "localhost" or (name.startswith("127.") and is_address(name))
