"""Sockets of connections that we open, with the options that tell a dead path from a quiet one. Starts no transport, resolves no name.

A host that is switched off and a NAT that forgot say nothing. Without these options an idle connection through them looks well until a
request is sent on it, and that one waits for as long as it may."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

QUIET_SECONDS: Final = 15  # without a byte before the kernel asks
INTERVAL_SECONDS: Final = 5  # between two questions
QUESTIONS: Final = 3  # without an answer: the connection is dead
# Where it is asked for: what was sent and isn't acknowledged for so long is dead, too (Linux). Not less, since it overrules QUESTIONS, and
# one lost packet mustn't end a connection; seven retransmissions fit (0.2 s, doubled each time). It counts while a peer acknowledges but
# takes nothing, too, as a busy upstream during an upload: so not where somebody is ready to wait longer than that.
UNACKNOWLEDGED_SECONDS: Final = QUIET_SECONDS + INTERVAL_SECONDS * QUESTIONS


def _options() -> list[tuple[int, int, int]]:
    """What the platform has of them; macOS calls the first TCP_KEEPALIVE."""
    names = {
        "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE": QUIET_SECONDS,
        "TCP_KEEPINTVL": INTERVAL_SECONDS,
        "TCP_KEEPCNT": QUESTIONS,
    }
    found = [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in names.items() if hasattr(socket, name)]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *found]


OPTIONS: Final = _options()


async def dialled(address: str, port: int, bounded: bool) -> socket.socket:
    """A connected, non-blocking socket to an IP address; raises OSError. `bounded`: UNACKNOWLEDGED_SECONDS is in force."""
    family, kind, number, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
    sock = socket.socket(family, kind, number)
    try:
        sock.setblocking(False)
        for level, option, value in OPTIONS:
            sock.setsockopt(level, option, value)
        if bounded and hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_SECONDS * 1_000)
        await asyncio.get_running_loop().sock_connect(sock, place)
    except BaseException:
        sock.close()
        raise
    return sock
