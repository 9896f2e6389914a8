"""One pool's rules in force over what the pool keeps: takes requests from clients, answers hits at once, sends the rest on its way."""

from __future__ import annotations

from typing import Final

from slipstream_api.config import Pool
from slipstream_runtime.cores.plan import CachePlan
from slipstream_runtime.cores.route import Operation, Router
from slipstream_runtime.cores.store import Entry
from slipstream_runtime.http.forward import connection_line
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy.addresses import is_address
from slipstream_runtime.proxy.bypass import BypassExchange
from slipstream_runtime.proxy.caching import CachedExchange
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.exchange import DONE, Exchange
from slipstream_runtime.proxy.failures import ONLY_IF_CACHED
from slipstream_runtime.proxy.parties import Service
from slipstream_runtime.proxy.state import PoolState
from slipstream_runtime.proxy.stored import rendered, rendered_with
from slipstream_runtime.proxy.tunnel import TunnelEnd, join
from slipstream_runtime.proxy.upstream import UpstreamConnection

MAX_HOSTS: Final = 64  # remembered values of Host


class HttpService(Service):
    """Immutable but for its memo: a new configuration makes a new one, requests under way keep theirs."""

    def __init__(self, config: Pool, state: PoolState, router: Router) -> None:
        self.config = config
        self.state = state
        self.router = router
        self.context = state.context
        self.cache = state.cache
        self.flights = state.flights
        self.circuits = state.circuits
        self.figures = state.figures
        self.pool = state.driver
        self.stores = state.stores
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
        plan = operation.cache
        if plan is not None:
            return self._read(client, head, body, complete, operation, plan)
        return self._begin(Exchange(self, client, head, operation), body, complete, self.context.clock.now())

    def _begin(self, exchange: Exchange, body: bytes, complete: bool, now: float) -> Exchange | None:
        exchange.begin(body, complete, now)
        return None if exchange.state == DONE else exchange

    def _read(
        self, client: Client, head: RequestHead, body: bytes, complete: bool, operation: Operation, plan: CachePlan
    ) -> Exchange | None:
        line = head.line
        request = plan.reader.read(line.method, line.target, head.fields, head.body != 0)
        now = self.context.clock.now()
        if request.bypass:
            plan.counters.bypass += 1
            exchange: Exchange = BypassExchange(self, client, head, operation, plan.enforce, request.bypass)
            return self._begin(exchange, body, complete, now)
        store = self.stores[plan.store]
        entry = None if request.refresh else store.get(request.key, plan, now)
        counted = entry is not None and entry.satisfies(request.max_age, request.min_fresh, now)
        if counted and entry is not None:
            plan.counters.hits += 1
            if plan.enforce:
                self._hit(client, head, entry, now)
                return None
        cached = CachedExchange(self, client, head, operation, plan, store, request, counted)
        if request.only_if_cached and plan.enforce:
            cached.fail_at_once(ONLY_IF_CACHED, now)
            return None
        return self._begin(cached, body, complete, now)

    def _hit(self, client: Client, head: RequestHead, entry: Entry, now: float) -> None:
        self.figures.hit(head.line.operation.name)
        keep = client.keeps(head)
        if keep and head.line.http11:
            client.send(rendered(entry, now))
        else:
            client.send(rendered_with(entry, now, "", connection_line(head.line.http11, keep)))
        client.finished(keep)

    def host_for(self, head: RequestHead) -> bytes:
        """What replaces the client's Host: the upstream's own name where the client used a loopback address of ours, else nothing."""
        if head.host is None:
            return self._authority
        value = head.host.value
        replacement = self._hosts.get(value)
        if replacement is None:
            replacement = self._authority if is_own(value) else b""
            if len(self._hosts) < MAX_HOSTS:
                self._hosts[value] = replacement
        return replacement

    def open_for(self, operation: Operation) -> float:
        """Seconds until the operation's circuit may let a call through; 0 where it isn't open or nobody can say."""
        now = self.context.clock.now()
        breaker = None if operation.circuit is None else self.circuits.get(operation.circuit, now)
        return 0.0 if breaker is None else breaker.retry_after(now)

    def linger_until(self) -> float:
        """How long an effect of a write that ended without an answer is reckoned with: one request timeout."""
        return self.context.clock.now() + self._timeout

    # -- deadlines --------------------------------------------------------------------------------------------------------

    def track(self, exchange: Exchange, waiting: bool, since: float) -> None:
        """An answer is due `requestTimeout` after `since`; or a body flows, and may stand still as long."""
        if waiting:
            self.state.tracker.wait(exchange, since + self._timeout)
        else:
            self.state.tracker.flow(exchange, self._timeout, self.context.now)

    def untrack(self, exchange: Exchange) -> None:
        self.state.tracker.forget(exchange)

    # -- upgrades ---------------------------------------------------------------------------------------------------------

    def tunnel(self, client: Client, connection: UpstreamConnection, rest: bytes) -> None:
        """Join both connections raw; the pool counts the upstream's until it ends."""
        context = self.context
        context.tunnels += 1

        def closed() -> None:
            context.tunnels -= 1
            connection.close()

        near, far = TunnelEnd(), TunnelEnd(closed)
        near.transport, ahead = client.detach()
        far.transport = connection.detach()
        join(near, far)
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
