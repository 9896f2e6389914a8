"""A read that a cache rule takes: answered from the store at once, or the exchange that goes to the upstream. The cores decide which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slipstream_runtime.cores.cache_status import BYPASS, STALE, URI_MISS
from slipstream_runtime.cores.fields import CREDENTIALS
from slipstream_runtime.cores.key import CacheRequest
from slipstream_runtime.cores.plan import CachePlan
from slipstream_runtime.cores.reuse import FETCH, REFRESH, SERVE, VALIDATE, reuse
from slipstream_runtime.cores.route import Operation
from slipstream_runtime.cores.store import Entry, Store
from slipstream_runtime.cores.validators import conditions
from slipstream_runtime.http.forward import connection_line
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy.batching import BatchedExchange
from slipstream_runtime.proxy.bypass import BypassExchange
from slipstream_runtime.proxy.caching import CachedExchange
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.exchange import DONE, Exchange
from slipstream_runtime.proxy.failures import ONLY_IF_CACHED
from slipstream_runtime.proxy.refreshing import RefreshExchange
from slipstream_runtime.proxy.shadowing import ShadowExchange
from slipstream_runtime.proxy.stored import WHOLE, form_for, rendered, rendered_with
from slipstream_runtime.proxy.validating import ValidatingExchange

if TYPE_CHECKING:
    from slipstream_runtime.proxy.service import HttpService

GET: Final = b"GET"
HEAD: Final = b"HEAD"


def begun(exchange: Exchange, body: bytes, complete: bool, now: float) -> Exchange | None:
    """Start it; None where it ended at once. Another upstream's may have taken its place."""
    exchange.begin(body, complete, now)
    return exchange.successor if exchange.state == DONE else exchange


def read(
    service: HttpService, client: Client, head: RequestHead, body: bytes, complete: bool, operation: Operation, plan: CachePlan
) -> Exchange | None:
    """Take one request that falls under `plan`; None where it is answered already."""
    method = head.method
    request = head.asks(plan.reader)
    now = service.context.time()
    why = request.bypass or ("upgrade" if head.upgrade else "")
    if why:
        plan.counters.bypass += 1
        return begun(BypassExchange(service, client, head, operation, plan.enforce, BYPASS, why), body, complete, now)
    store = service.stores[plan.store]
    entry = store.get_stale(request.key, plan, now)
    if not plan.enforce:
        return _shadow(service, client, head, operation, plan, store, request, entry, now)
    action = FETCH if entry is None else reuse(entry, request, now)
    if entry is not None and action < VALIDATE:
        if action == SERVE:
            plan.counters.hits += 1
            _serve(service, client, head, request, entry, now, "")
            return None
        plan.counters.stale += 1
        if action == REFRESH:
            refresh(service, head, operation, plan, store, request, entry, now)
        _serve(service, client, head, request, entry, now, "stale-while-revalidate" if action == REFRESH else "max-stale")
        return None
    if request.only_if_cached:
        CachedExchange(service, client, head, operation, plan, store, request).fail_at_once(ONLY_IF_CACHED, now)
        return None
    if method == HEAD:  # a stored GET answers it, but the answer to one is never stored
        plan.counters.misses += 1
        return begun(BypassExchange(service, client, head, operation, True, URI_MISS if entry is None else STALE, ""), b"", True, now)
    if plan.batch is not None and not (operation.writes or request.conditional) and (entry is None or not conditions(entry.head)):
        item = plan.batch.item(head.line.path, head.line.target)
        if item is not None:
            return begun(BatchedExchange(service, client, head, operation, plan, store, request, item, entry, now), b"", True, now)
    if entry is None:
        return begun(CachedExchange(service, client, head, operation, plan, store, request), b"", True, now)
    return begun(ValidatingExchange(service, client, head, operation, plan, store, request, entry), b"", True, now)


def _serve(service: HttpService, client: Client, head: RequestHead, request: CacheRequest, entry: Entry, now: float, detail: str) -> None:
    service.figures.hit(head.line.operation.name)
    keep = client.keeps(head)
    http11 = head.line.http11
    form = form_for(head, request, entry.head) if request.conditional or head.method == HEAD else WHOLE
    if keep and http11 and form == WHOLE and not detail:
        client.send(rendered(entry, now))
    else:
        client.send(rendered_with(entry, now, detail, connection_line(http11, keep), form))
    client.finished(keep)


def refresh(
    service: HttpService,
    head: RequestHead,
    operation: Operation,
    plan: CachePlan,
    store: Store,
    request: CacheRequest,
    entry: Entry | None,
    now: float,
) -> None:
    """Fetch a new answer in the background, unless somebody does already; on behalf of the caller whose head it is."""
    if head.method == GET and not service.flights.under_way(request.key) and service.refreshes.begin(request.key, now):
        RefreshExchange(service, head, operation, plan, store, request, entry).begin(b"", True, now)


def _shadow(
    service: HttpService,
    client: Client,
    head: RequestHead,
    operation: Operation,
    plan: CachePlan,
    store: Store,
    request: CacheRequest,
    entry: Entry | None,
    now: float,
) -> Exchange | None:
    if head.method == HEAD:
        return begun(Exchange(service, client, head, operation), b"", True, now)
    request.asker = hash(tuple((field.name, field.value) for field in head.fields if field.name in CREDENTIALS))
    hit = entry if entry is not None and reuse(entry, request, now) == SERVE else None
    return begun(ShadowExchange(service, client, head, operation, plan, store, request, hit), b"", True, now)
