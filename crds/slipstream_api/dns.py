"""Addresses of a name by DNS alone, past the hosts file, and patient with a DNS that can't be reached for a moment. Caches nothing.

Past the hosts file, because a pod's host aliases lead a name back to its own sidecar (`lookups="b"` of c-ares).
Patient, because a pod that has just got its network may be refused or lose a packet at first: c-ares gives up at once then.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

# Seconds for one try: a lost packet costs half a second, a slow server is given longer each time. Cluster DNS answers in milliseconds.
TRIES: Final = (0.5, 1.0, 2.0, 2.0, 2.0)
PAUSES: Final = (0.05, 0.1, 0.2, 0.4, 0.0)  # after each: a refusal comes at once, and so would the next
_PASSING: Final = frozenset({"ECONNREFUSED", "ETIMEOUT", "ESERVFAIL", "EREFUSED", "EBADRESP"})


@dataclass(frozen=True, slots=True)
class Address:
    """One address. `family`: AF_INET or AF_INET6."""

    family: int
    text: str


async def lookup(host: str, port: int, nameservers: Sequence[str] = ()) -> list[Address]:
    """Every address of `host`, best first, the search list honoured. Raises OSError: at once for a name that isn't, else after all tries.

    `nameservers`: "address" or "address:port", in place of those of /etc/resolv.conf.
    """
    import aiodns  # needs c-ares, which only pods need
    from pycares import errno as codes

    passing = {getattr(codes, f"ARES_{name}") for name in _PASSING}
    error: Any = None
    for seconds, pause in zip(TRIES, PAUSES, strict=True):
        # A new channel for each try: sockets and ports of its own, nothing remembered of servers that failed.
        channel = aiodns.DNSResolver(nameservers=list(nameservers) or None, lookups="b", timeout=seconds, tries=1)
        try:
            found = await channel.getaddrinfo(host, family=socket.AF_UNSPEC, port=port, type=socket.SOCK_STREAM)
        except aiodns.error.DNSError as failed:
            error = failed
            if failed.args[0] not in passing:
                break
        else:
            return list(dict.fromkeys(Address(node.family, _text(node.addr[0])) for node in found.nodes))
        finally:
            await channel.close()
        await asyncio.sleep(pause)
    raise OSError(str(error.args[-1]))


def _text(address: bytes | str) -> str:
    return address.decode() if isinstance(address, bytes) else address
