"""Which URLs a load test may be pointed at. Pure: looks at the text alone and resolves nothing, so whoever connects checks the address too.

Refused always: link-local and metadata addresses, in every spelling that a C library takes for one (decimal, octal, hex, short forms,
IPv4 in IPv6), and the metadata names. Refused on request: whatever isn't a service of the cluster.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_REFUSED_NETWORKS: Final = tuple(
    ipaddress.ip_network(n)
    for n in (
        "169.254.0.0/16",  # link-local: metadata of most clouds, ECS credentials, kubelet's node-local DNS
        "fe80::/10",
        "fd00:ec2::/32",  # AWS metadata and its neighbours
        "fd20:ce::254/128",  # Google Cloud metadata
        "100.100.100.200/32",  # Alibaba Cloud metadata
        "168.63.129.16/32",  # Azure wire server
        "0.0.0.0/8",  # "this host": reaches loopback on Linux; names the runner itself
        "::/128",
        "224.0.0.0/4",
        "ff00::/8",
        "255.255.255.255/32",
    )
)
_METADATA_NAMES: Final = frozenset(
    {"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal", "metadata.azure.internal"}
)
_EMBEDDING: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))  # NAT64 (RFC 6052), IPv4-compatible
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]*|0[0-7]*|[1-9][0-9]*")
_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", re.IGNORECASE)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class UrlRefused:
    """Why a URL isn't measured, and what to change."""

    reason: str
    message: str


def check_url(url: str, *, cluster_domain: str = "") -> UrlRefused | None:
    """None when the URL may be measured. With `cluster_domain` only names of services in that domain may."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        return UrlRefused("Invalid", f"target.url {url!r} can't be read: {error}")
    if parts.scheme not in ("http", "https"):
        return UrlRefused("Invalid", f"target.url {url!r}: write http://host:port or https://host")
    if not host or port == 0:
        return UrlRefused("Invalid", f"target.url {url!r} names no host: write http://host:port")
    if parts.username is not None or parts.password is not None:
        return UrlRefused("Invalid", "target.url carries credentials: leave them out, they would be stored with the plan")
    return check_host(host, cluster_domain=cluster_domain)


def check_host(host: str, *, cluster_domain: str = "") -> UrlRefused | None:
    """The same for the host alone."""
    bare = host.rstrip(".").lower()
    try:
        address = parse_address(bare)
    except ValueError:
        return UrlRefused("Invalid", f"target.url: {host!r} is neither a name nor an address")
    if address is not None:
        if (refused := check_address(address)) is not None:
            return refused
    elif bare in _METADATA_NAMES:
        return UrlRefused("TargetRefused", f"target.url: {host} is a metadata service: name the service to measure")
    if cluster_domain and not _in_cluster(bare, address, cluster_domain):
        return UrlRefused(
            "TargetRefused",
            f"target.url: {host} isn't a service in {cluster_domain}: use <service>.<namespace>.svc, or the flag that allows it",
        )
    return None


def check_address(address: Address) -> UrlRefused | None:
    """The same for an address that a name resolved to: what the runner asks before it connects."""
    for candidate in (address, *_embedded(address)):
        if any(candidate in network for network in _REFUSED_NETWORKS):
            return UrlRefused(
                "TargetRefused", f"target.url: {address} is a link-local, metadata or unspecified address: name the service to measure"
            )
    return None


def parse_address(host: str) -> Address | None:
    """The address that a C library's inet_aton or inet_pton reads in `host`; None for a name; ValueError for neither."""
    if ":" in host:
        return ipaddress.IPv6Address(host.split("%", 1)[0])
    if host and all(_NUMBER.fullmatch(part) for part in host.split(".")):
        return _inet_aton([_number(part) for part in host.split(".")])
    if len(host) > 253 or not _NAME.fullmatch(host) or re.fullmatch(r"[0-9]+|0[xX].*", host.rsplit(".", 1)[-1]):
        raise ValueError(host)
    return None


def _inet_aton(numbers: list[int]) -> ipaddress.IPv4Address:
    """1 to 4 numbers; the last one fills whatever bytes the others leave."""
    *heads, last = numbers
    if len(numbers) > 4 or any(n > 255 for n in heads) or last >= 1 << (8 * (5 - len(numbers))):
        raise ValueError(numbers)
    value = last
    for place, head in enumerate(heads):
        value |= head << (8 * (3 - place))
    return ipaddress.IPv4Address(value)


def _number(text: str) -> int:
    if text[:2].lower() == "0x":
        return int(text[2:] or "0", 16)
    return int(text, 8) if text.startswith("0") and len(text) > 1 else int(text)


def _embedded(address: Address) -> tuple[ipaddress.IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 one leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    found = [a for a in (address.ipv4_mapped, address.sixtofour) if a is not None]
    if any(address in network for network in _EMBEDDING) and int(address) & 0xFFFFFFFF > 1:  # ::1 is loopback, not 0.0.0.1
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(found)


def _in_cluster(name: str, address: Address | None, cluster_domain: str) -> bool:
    """<service>, <service>.<namespace>.svc or any name in the domain. An address can't be told, and example.com may be anywhere."""
    if address is not None:
        return False
    labels = name.split(".")
    return name.endswith("." + cluster_domain.strip(".").lower()) or len(labels) == 1 or (len(labels) == 3 and labels[2] == "svc")
