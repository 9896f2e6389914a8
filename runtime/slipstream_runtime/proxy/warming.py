"""Keeps the answers ready that a policy lists: looks at each when it is due, and lets it be fetched where that harms nobody."""

from __future__ import annotations

import logging

from slipstream_api.config import Warming, WarmRequest
from slipstream_runtime.cores.warmth import Warmth
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy.reading import GET, refresh
from slipstream_runtime.proxy.service import HttpService, authority

log = logging.getLogger("slipstream.warming")


class Warmer:
    """One policy's list on one pool, for the life of a configuration. What is stored already isn't asked for again."""

    def __init__(self, service: HttpService, warming: Warming, now: float) -> None:
        self._service = service
        self._policy = warming.policy
        self._requests = warming.requests
        self._heads = [_head(service, request) for request in warming.requests]
        self._warmth = Warmth(len(warming.requests), warming.requests_per_second, now)

    def sweep(self, now: float) -> None:
        service = self._service
        if service.context.draining:
            return
        for target in self._warmth.due(now):
            if service.pool.core.waiting or not self._warmth.affords(now):
                break  # those who ask now go first; the rest is due at the next tick too
            self._look(target, now)

    def _look(self, target: int, now: float) -> None:
        service, head = self._service, self._heads[target]
        operation = service.router.route(GET, head.line.path) if head is not None else None
        plan = operation.cache if operation is not None else None
        if head is None or operation is None or plan is None or plan.rule.policy != self._policy:
            self._refuse(target, "no rule of the policy takes it")
            return
        request = plan.reader.read_head(GET, head.line.target, head, False)
        if request.bypass:
            self._refuse(target, f"it goes past the cache: {request.bypass}")
            return
        store = service.stores[plan.store]
        entry = store.get_stale(request.key, plan, now)
        if entry is not None and self._warmth.there(target, entry.received, entry.expires, now):
            return
        self._warmth.missing(target, now, entry is not None and entry.expires <= entry.received)
        breaker = None if operation.circuit is None else service.circuits.get(operation.circuit, now)
        if breaker is None or breaker.lets_all(now):
            self._warmth.spend()
            refresh(service, head, operation, plan, store, request, entry, now)

    def _refuse(self, target: int, why: str) -> None:
        self._warmth.never(target)
        extra = {"pool": self._service.config.name, "policy": self._policy, "path": self._requests[target].path.partition("?")[0]}
        log.warning("not warmed", extra={**extra, "reason": why})


def _head(service: HttpService, request: WarmRequest) -> RequestHead | None:
    """As a caller's; None where it isn't a request."""
    lines = [f"GET {request.path} HTTP/1.1", f"Host: {authority(service.config).decode()}"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    try:
        return service.context.requests.scan("\r\n".join(lines).encode("latin-1"))
    except (MalformedError, UnicodeEncodeError):
        return None
