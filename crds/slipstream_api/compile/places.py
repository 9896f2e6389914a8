"""Where the sidecar listens for each pool: on addresses in a pod, on 127.0.0.1 for the standalone command. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from slipstream_api import config as c
from slipstream_api.addresses import FIRST_PORT, plan_endpoints
from slipstream_api.compile.attach import upstream_of
from slipstream_api.models import ConnectionPoolSpec
from slipstream_api.resources import Resource

Placement = Literal["Sidecar", "Local"]
Places = dict[str, tuple[tuple[c.Bind, ...], tuple[c.Passthrough, ...]]]


def places(namespace: str, pools: Sequence[Resource], placement: Placement) -> Places:
    """Pool name → where it is listened for, and which further ports are forwarded raw."""
    return _local(pools) if placement == "Local" else _addresses(namespace, pools)


def _addresses(namespace: str, pools: Sequence[Resource]) -> Places:
    endpoints = {(e.host, e.port): e for e in plan_endpoints(namespace, (upstream_of(pool) for pool in pools))}
    taken = set(endpoints)  # a port that a pool has is that pool's; one that two pools forward is the older one's
    found: Places = {}
    for pool in pools:
        assert isinstance(pool.spec, ConnectionPoolSpec)
        endpoint = endpoints[upstream_of(pool)]
        binds = [c.Bind(kind="Address", address=endpoint.address, port=endpoint.listen_port)]
        further: list[int] = []
        if pool.spec.listen.intercept == "HostAlias":  # without the alias nobody comes to the host's other ports here
            binds.append(c.Bind(kind="Alias", address=endpoint.address, port=endpoint.port))
            further = [port for port in sorted(pool.spec.listen.passthrough_ports) if (endpoint.host, port) not in taken]
            taken.update((endpoint.host, port) for port in further)
        raw = tuple(c.Passthrough(address=endpoint.address, port=port) for port in further)
        found[pool.name] = (tuple(binds), raw)
    return found


def _local(pools: Sequence[Resource]) -> Places:
    """Ports that are asked for, first come first served; the others take the free ones from 15900, in the order of their names."""
    taken: dict[str, int] = {}
    for pool in pools:
        assert isinstance(pool.spec, ConnectionPoolSpec)
        port = pool.spec.listen.port
        if port is not None and port not in taken.values():
            taken[pool.name] = port
    free = FIRST_PORT
    for name in sorted(pool.name for pool in pools):
        if name not in taken:
            while free in taken.values():
                free += 1
            taken[name] = free
    return {name: ((c.Bind(kind="Local", address="127.0.0.1", port=port),), ()) for name, port in taken.items()}
