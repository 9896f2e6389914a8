"""What would happen to a request, and why: rules, key, partition, hit or miss (explain_state: the rest). Sends, stores, counts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from slipstream_runtime.cores.fields import CREDENTIALS
from slipstream_runtime.cores.plan import CachePlan
from slipstream_runtime.cores.reuse import FETCH, REFRESH, SERVE, STALE, VALIDATE, reuse
from slipstream_runtime.cores.route import Operation
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.fields import Field, parse_field
from slipstream_runtime.observe.explain_state import circuit, connections, generations, invalidated
from slipstream_runtime.proxy.service import HttpService, authority

# What the admin API's own client sends along; not part of the request that is asked about. Its Host is that of the URL asked about.
_OWN_HEADERS = frozenset({"host", "content-length", "connection"})

_REUSE: Final = {
    SERVE: ("hit", "a fresh answer of the same partition is stored"),
    REFRESH: ("stale", "the stored answer has expired: it is served while a new one is fetched"),
    STALE: ("stale", "the stored answer has expired, and the request takes such a one"),
    VALIDATE: ("revalidate", "the upstream is asked whether the stored answer is still right"),
    FETCH: ("miss", "the stored answer has expired, or the request asks for a newer one"),
}


def explain(
    services: Mapping[str, HttpService], method: str, url: str, pool: str, headers: tuple[tuple[str, str], ...], now: float
) -> dict[str, Any]:
    """The story of a request. `url`: absolute, or path and query; `pool` where neither port nor host tells."""
    parts = urlsplit(url)
    service = _service(services, pool, parts.hostname or "", parts.port)
    if service is None:
        return {"error": f"which pool? name one with pool: {', '.join(sorted(services)) or 'there is none'}"}
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    operation = service.router.route(method.encode(), path)
    host = parts.netloc.rpartition("@")[2] or authority(service.config).decode()
    fields = _fields((("Host", host), *((name, value) for name, value in headers if name.lower() not in _OWN_HEADERS)))
    story = {
        "pool": service.config.name,
        "upstream": f"{service.config.upstream.host}:{service.config.upstream.port}",
        "operation": operation.name,
        "cache": _cache(service, operation, method, path, target, fields, now),
        "invalidates": invalidated(service, operation, method.encode(), path),
        "breaker": circuit(service, operation, now),
        "connections": connections(service, now),
    }
    if not operation.normal:
        story["path"] = "not in normal form: no cache rule takes it, and a write to it invalidates every tag of the pool"
    return story


def _service(services: Mapping[str, HttpService], pool: str, host: str, port: int | None) -> HttpService | None:
    if pool:
        return services.get(pool)
    if len(services) == 1:
        return next(iter(services.values()))
    for service in services.values():
        upstream = service.config.upstream
        if any(bind.port == port for bind in service.config.binds) or (upstream.host, upstream.port) == (host, port):
            return service
    return None


def _fields(headers: tuple[tuple[str, str], ...]) -> list[Field]:
    fields = []
    for name, value in headers:
        try:
            fields.append(parse_field(f"{name}: {value}".encode("latin-1", "replace")))
        except MalformedError:
            continue
    return fields


def _cache(
    service: HttpService, operation: Operation, method: str, path: str, target: str, fields: list[Field], now: float
) -> dict[str, Any]:
    plan = operation.cache
    if plan is None:
        why = "no cache rule matches" if method in ("GET", "HEAD") else "only GET and HEAD are answered from the cache"
        return {"decision": "bypass", "why": why}
    request = plan.reader.read(b"GET" if method == "HEAD" else method.encode(), target.encode(), fields, False)
    story = {"rule": plan.name, "policy": plan.rule.policy, "mode": plan.rule.mode, "partition": _partition(plan, fields)}
    if request.bypass:
        return {"decision": "bypass", "why": request.bypass, **story}
    story |= {
        "key": request.key.hex(),
        "keyHeaders": _key_headers(plan, fields),
        "query": plan.rule.key.query,
        "tags": list(plan.rule.tags),
    }
    entry = service.stores[plan.store].peek(request.key)
    story["generations"] = generations(service, plan, request, path, entry)
    if entry is None:
        return {**_absent(service, request.key, now), **story}
    age = {"ageSeconds": round(now - entry.received, 1), "expiresInSeconds": round(entry.expires - now, 1)}
    if not entry.current():
        return {"decision": "miss", "why": "a write has invalidated the stored answer", **age, **story}
    if now >= entry.expires and now >= entry.retained:
        return {"decision": "miss", "why": "the stored answer has expired, and its time of grace is over", **age, **story}
    decision, why = _REUSE[reuse(entry, request, now)]
    return {"decision": decision, "why": why, **age, **story}


def _absent(service: HttpService, key: bytes, now: float) -> dict[str, Any]:
    """Why there is nothing, and whether the request would wait for somebody else's call."""
    alone = service.flights.alone_for(key, now)
    if alone:
        why = "the last answer wasn't one to store: for a while each caller asks for itself"
        return {"decision": "miss", "why": why, "uncacheableForSeconds": round(alone, 1)}
    if service.flights.under_way(key):
        return {"decision": "miss", "why": "no such answer is stored; it is being fetched, and the request would wait for that"}
    return {"decision": "miss", "why": "no such answer is stored"}


def _key_headers(plan: CachePlan, fields: list[Field]) -> dict[str, str]:
    """Fields of the request that are part of the key, but for the identity; another value of one of them is another key."""
    interest = plan.reader.interest
    names = interest.covered.difference(interest.partition, CREDENTIALS)
    return {field.name.decode(): field.value.decode("latin-1") for field in fields if field.name in names}


def _partition(plan: CachePlan, fields: list[Field]) -> dict[str, Any]:
    """Where the partition comes from; never the identity itself."""
    partition = plan.rule.partition
    wanted = partition.headers if partition.type == "Header" else ("authorization", "cookie", "mcp-session-id")
    given = sorted({field.name.decode() for field in fields if field.name.decode() in wanted})
    return {"type": partition.type, "from": given if partition.type != "Shared" else []}
