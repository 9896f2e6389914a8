"""Sockets of the data path, listening and connected, with the options that bound what the kernel holds for them. Reads and writes nothing.

Without a bound, a send buffer grows to megabytes on a fast network, since the kernel sizes it for the peer's best moment: a thousand slow
readers then hold all the memory that it has for TCP, and it drops what arrives for everybody else."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

UNSENT: Final = 131_072  # bytes that the kernel takes beyond what is on its way; what is on its way isn't limited, so no throughput is lost


def bounded(sock: socket.socket) -> socket.socket:
    """With small writes sent at once, and UNSENT in force where the system knows it; what a listening one accepts inherits both."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
    return sock


def listening(address: str, port: int, backlog: int) -> socket.socket:
    """One that accepts on an IP address; raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return bounded(socket.create_server((address, port), family=family, backlog=backlog))


async def connected(address: str, port: int) -> socket.socket:
    """One that leads to an IP address; raises OSError. Closed where the wait is cancelled."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(bounded(sock), (address, port))
    except BaseException:
        sock.close()
        raise
    return sock
