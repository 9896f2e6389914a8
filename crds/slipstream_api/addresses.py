"""Where a pod finds an upstream: loopback addresses, ports, names. Pure functions of namespace and host; two pods never have to agree.

Each (namespace, upstream host) has an address of its own in 127.64.0.0/10 and its ports count from 15900, so that neither clashes with a
listener of the workload. Aliases are the names under which Kubernetes serves a Service.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from slipstream_api.sidecar import Endpoint

NETWORK: Final = ipaddress.ip_network("127.64.0.0/10")
FIRST_PORT: Final = 15900
CLUSTER_DOMAIN: Final = "cluster.local"
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def loopback_address(namespace: str, host: str) -> str:
    """The address of `host` for pods of `namespace`, within 127.64.0.0/10; never ends in .0 or .255."""
    digest = hashlib.sha256(f"{namespace}\0{host.lower()}".encode()).digest()
    offset = int.from_bytes(digest[:8], "big") % (NETWORK.num_addresses // 256)
    last = 1 + digest[8] % 254
    return str(NETWORK.network_address + offset * 256 + last)


def plan_endpoints(namespace: str, targets: Iterable[tuple[str, int]], aliased: Iterable[tuple[str, int]] = ()) -> tuple[Endpoint, ...]:
    """An Endpoint for each (host, port), sorted; the n-th port of a host listens on 15900 + n. `aliased`: those whose alias is on."""
    wanted = sorted(set(targets))
    alias = set(aliased)
    ports: dict[str, list[int]] = {}
    for host, port in wanted:
        ports.setdefault(host, []).append(port)
    return tuple(
        Endpoint(
            host=host,
            port=port,
            address=loopback_address(namespace, host),
            listen_port=FIRST_PORT + ports[host].index(port),
            alias=(host, port) in alias,
        )
        for host, port in wanted
    )


def env_name(pool: str) -> str:
    """`SLIPSTREAM_MEMORY_URL` for the pool `memory`; characters that an environment variable can't have become `_`."""
    return f"SLIPSTREAM_{re.sub('[^A-Z0-9]', '_', pool.upper())}_URL"


def alias_names(host: str, namespace: str) -> tuple[str, ...]:
    """The names that mean `host` in a pod of `namespace`: the Service's four, or the one name of an external host; none for an address.

    `memory` → memory, memory.NS, memory.NS.svc, memory.NS.svc.cluster.local; `memory.other` and longer forms of a Service of another
    namespace → that namespace's three (a bare name would mean another Service).
    """
    if is_address(host.strip("[]")):
        return ()
    labels = host.lower().removesuffix(".").split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        return ()
    if len(labels) == 1:
        return (labels[0], *_service_names(labels[0], namespace))
    if len(labels) == 2 or labels[2:] in (["svc"], ["svc", *CLUSTER_DOMAIN.split(".")]):
        names = _service_names(labels[0], labels[1])
        return (labels[0], *names) if labels[1] == namespace else names
    return (".".join(labels),)


def _service_names(service: str, namespace: str) -> tuple[str, ...]:
    return (f"{service}.{namespace}", f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.{CLUSTER_DOMAIN}")


def is_address(host: str) -> bool:
    """Whether `host` is an IP address, which nobody needs to resolve; without brackets, with a zone or not."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
