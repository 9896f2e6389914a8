"""The annotation `slipstream.dev/upstreams`: host:port[,host:port]. Pure; reports what it can't read and goes on with the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from slipstream_api.addresses import is_address

# What a Service, and the hostnames of a host alias, may be called (RFC 1123 subdomain).
NAME: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Upstreams:
    """`problems`: one sentence for each entry that isn't host:port."""

    endpoints: tuple[tuple[str, int], ...] = ()
    problems: tuple[str, ...] = ()


def parse(text: str) -> Upstreams:
    """Sorted, each once, so that the order in the annotation changes nothing."""
    endpoints, problems = set(), []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        found = _entry(entry)
        if found is None:
            problems.append(f"upstream {entry!r} isn't host:port")
        else:
            endpoints.add(found)
    return Upstreams(tuple(sorted(endpoints)), tuple(problems))


def is_name(host: str) -> bool:
    """A DNS name that a hosts file may carry; an address is none."""
    return NAME.fullmatch(host) is not None and not is_address(host)


def _entry(entry: str) -> tuple[str, int] | None:
    host, _, port = entry.rpartition(":")
    host = host.lower().removeprefix("[").removesuffix("]")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        return None
    return (host, int(port)) if is_name(host) or is_address(host) else None
