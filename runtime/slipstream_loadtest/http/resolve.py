"""Names to addresses, once per run: by the system, or by DNS alone. Never connects; refuses addresses that no load may go to.

DNS alone, because in a pod with host aliases the hosts file leads back to the sidecar: `direct` would go through the layers.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from typing import Literal

from slipstream_api.addresses import is_address
from slipstream_api.dns import lookup
from slipstream_loadtest.engine.driver import Driver, TargetUnusable
from slipstream_loadtest.http.driver import HttpDriver, Resolve
from slipstream_loadtest.http.url_guard import check_address
from slipstream_loadtest.plan.model import Plan, Target


def drivers_for(plan: Plan, environ: Mapping[str, str]) -> dict[str, Driver]:
    """A driver for each target of the plan. Raises TargetUnusable where a URL can't be known."""
    return {target.name: HttpDriver(plan, url_of(target, environ), resolver(target.resolution), tls=target.tls) for target in plan.targets}


def url_of(target: Target, environ: Mapping[str, str]) -> str:
    """The URL of a target, which may stand in the environment."""
    if target.url:
        return target.url
    url = environ.get(target.env, "")
    if not url:
        raise TargetUnusable(f"{target.env} isn't set: this pod has no route through the layers (was the injector there when it started?)")
    return url


def resolver(kind: Literal["System", "DNS"], nameservers: Sequence[str] = ()) -> Resolve:
    """The function that resolves names in this way, and checks what it gets. `nameservers`: in place of the system's, DNS only."""

    async def resolve(host: str, port: int) -> list[str]:
        try:
            if is_address(host):
                addresses = [host]
            else:
                addresses = await (_by_dns(host, port, nameservers) if kind == "DNS" else _by_system(host, port))
        except OSError as error:
            raise TargetUnusable(f"{host} can't be resolved: {error}") from None
        for address in addresses:
            if (refused := check_address(ipaddress.ip_address(address.split("%", 1)[0]))) is not None:
                raise TargetUnusable(f"{host}: {refused.message}")
        return sorted(set(addresses))  # every runner has the same order, so users spread alike

    return resolve


async def _by_system(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return _one_family([(family, str(address[0])) for family, _, _, _, address in found])


async def _by_dns(host: str, port: int, nameservers: Sequence[str]) -> list[str]:
    return _one_family([(found.family, found.text) for found in await lookup(host, port, nameservers)])


def _one_family(found: list[tuple[int, str]]) -> list[str]:
    """IPv4 where there is any: a dual-stack name must not be measured half over one and half over the other."""
    v4 = [address for family, address in found if family == socket.AF_INET]
    return v4 or [address for _, address in found]
