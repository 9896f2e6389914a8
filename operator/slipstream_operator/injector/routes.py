"""How a pod reaches its upstreams through the sidecar: addresses, aliases, environment, and which aliases can't be. Pure.

An alias is all or nothing for a host: once the hosts file names it, every port that is called by that name goes to the sidecar.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from slipstream_api.addresses import alias_names, env_name, plan_endpoints
from slipstream_api.sidecar import ADMIN_PORT, Endpoint
from slipstream_operator.injector.pools import PoolFacts
from slipstream_operator.injector.upstreams import NAME

RESERVED: Final = range(15900, 16000)  # the sidecar's own: endpoints from 15900, runner 15980, admin API 15990
SCHEMES: Final = {"HTTP": "http", "MCP": "http", "PostgreSQL": "postgresql"}
PORT_CONFLICT: Final = "PortConflict"
ALIAS_CONFLICT: Final = "AliasConflict"
NOT_A_NAME: Final = "NotAName"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One upstream of a pod, before anything is known of the pod's own ports."""

    host: str
    port: int
    alias: bool
    passthrough: tuple[int, ...] = ()


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """An alias that was wanted and isn't given: in slipstream.dev/status, and from there in a pool's condition Injected."""

    host: str
    port: int
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Routes:
    """`aliases`: address → names for the hosts file. `variables`: environment, by name."""

    endpoints: tuple[Endpoint, ...] = ()
    passthrough: tuple[Endpoint, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a host gets no alias; `port` where one port is the reason."""

    reason: str
    detail: str
    port: int = 0


def of_pools(pools: Sequence[PoolFacts]) -> tuple[Wanted, ...]:
    return tuple(Wanted(p.host, p.port, p.alias, p.passthrough) for p in pools)


def of_annotation(endpoints: Iterable[tuple[str, int]]) -> tuple[Wanted, ...]:
    return tuple(Wanted(host, port, alias=True) for host, port in endpoints)


def plan(
    namespace: str,
    wanted: Sequence[Wanted],
    taken: Mapping[int, str],
    occupied: Collection[str] = (),
    pools: Sequence[PoolFacts] = (),
    *,
    aliases: bool = True,
) -> Routes:
    """`taken`: the pod's own ports; `occupied`: names that its hosts file has already; `pools`: those that give variables."""
    endpoints = plan_endpoints(namespace, sorted({(w.host, w.port) for w in wanted}))
    addresses = {e.host: e.address for e in endpoints}
    names = {w.host: alias_names(w.host, namespace) for w in wanted if w.alias} if aliases else {}
    refused = _refused(wanted, names, taken, occupied)
    given = names.keys() - refused.keys()
    return Routes(
        endpoints=tuple(msgspec.structs.replace(e, alias=e.host in given) for e in endpoints),
        passthrough=_passthrough(wanted, given, addresses),
        conflicts=_conflicts(wanted, refused),
        aliases={addresses[host]: names[host] for host in sorted(given)},
        variables=_variables(pools, {(e.host, e.port): e for e in endpoints}),
    )


def reserved(routes: Routes, taken: Mapping[int, str]) -> str:
    """Who uses a port that the sidecar can't do without; empty where nobody does. Such a container would fail beside it."""
    needed = {ADMIN_PORT, *(e.listen_port for e in routes.endpoints)}
    return next((who for port, who in sorted(taken.items()) if port in needed), "")


def _refused(
    wanted: Sequence[Wanted], names: Mapping[str, tuple[str, ...]], taken: Mapping[int, str], occupied: Collection[str]
) -> dict[str, Refusal]:
    ports: dict[str, set[int]] = {}
    for w in wanted:
        ports.setdefault(w.host, set()).update((w.port, *w.passthrough))
    double = _shared(names)
    found: dict[str, Refusal] = {}
    for host in sorted(names):
        refusal = _no_name(host, names[host], occupied) or _no_port(sorted(ports[host]), taken)
        if refusal is None and host in double:
            refusal = Refusal(ALIAS_CONFLICT, f"{host} and {double[host]} are the same service: name it in one way")
        if refusal is not None:
            found[host] = refusal
    return found


def _no_name(host: str, names: Sequence[str], occupied: Collection[str]) -> Refusal | None:
    if not names or not all(NAME.fullmatch(name) for name in names):
        return Refusal(NOT_A_NAME, f"{host} isn't a name that a hosts file can carry")
    double = next((name for name in names if name in occupied), None)
    return Refusal(ALIAS_CONFLICT, f"the pod's own hostAliases name {double}") if double else None


def _no_port(ports: Sequence[int], taken: Mapping[int, str]) -> Refusal | None:
    for port in ports:
        if port in taken:
            return Refusal(PORT_CONFLICT, taken[port], port)
        if port in RESERVED:
            return Refusal(PORT_CONFLICT, f"the sidecar itself uses ports {RESERVED.start} to {RESERVED.stop - 1}", port)
    return None


def _shared(names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Hosts that share a name with another host: the name would mean both addresses, and each lacks the other's ports."""
    first: dict[str, str] = {}
    found: dict[str, str] = {}
    for host in sorted(names):
        for name in names[host]:
            other = first.setdefault(name, host)
            if other != host:
                found.setdefault(host, other)
                found.setdefault(other, host)
    return found


def _conflicts(wanted: Sequence[Wanted], refused: Mapping[str, Refusal]) -> tuple[Conflict, ...]:
    """One for each upstream that asked for the alias."""
    found = {}
    for w in wanted:
        if w.alias and w.host in refused:
            refusal = refused[w.host]
            found[w.host, w.port] = Conflict(host=w.host, port=w.port, reason=refusal.reason, detail=refusal.detail)
    return tuple(found[key] for key in sorted(found))


def _passthrough(wanted: Sequence[Wanted], given: Collection[str], addresses: Mapping[str, str]) -> tuple[Endpoint, ...]:
    """Further ports of the hosts that got their alias; without it nobody comes there."""
    pools = {(w.host, w.port) for w in wanted}
    ports = {(w.host, port) for w in wanted if w.host in given for port in w.passthrough} - pools
    return tuple(Endpoint(host=host, port=port, address=addresses[host], listen_port=port, alias=True) for host, port in sorted(ports))


def _variables(pools: Sequence[PoolFacts], endpoints: Mapping[tuple[str, int], Endpoint]) -> dict[str, str]:
    found = {}
    for pool in pools:
        endpoint = endpoints.get((pool.host, pool.port))
        if endpoint is not None:
            found[env_name(pool.name)] = f"{SCHEMES.get(pool.protocol, 'http')}://{endpoint.address}:{endpoint.listen_port}"
    return found
