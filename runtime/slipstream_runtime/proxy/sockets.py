"""Listening sockets of the data path, with the options that bound what the kernel holds for a slow reader. Reads and writes nothing.

Without a bound, a send buffer grows to megabytes on a fast network, since the kernel sizes it for the peer's best moment: a thousand slow
readers then hold all the memory that it has for TCP, and it drops what arrives for everybody else."""

from __future__ import annotations

import socket
from typing import Final

UNSENT: Final = 131_072  # bytes that the kernel takes beyond what is on its way; what is on its way isn't limited, so no throughput is lost


def listening(address: str, port: int, backlog: int) -> socket.socket:
    """One that accepts on an IP address; raises OSError. Small writes go out at once, and UNSENT is in force where there is such a thing:
    what it accepts inherits both."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.create_server((address, port), family=family, backlog=backlog)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
    return sock
