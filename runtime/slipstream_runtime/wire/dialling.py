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
# What was sent and isn't acknowledged for so long: dead, too. Not less, for two reasons. Linux lets it overrule QUESTIONS, and one
# lost packet mustn't end a connection. And it counts while a peer acknowledges but has no room, as a busy upstream during an upload,
# which has as long as a request has by default. Seven retransmissions fit (0.2 s, doubled each time).
UNACKNOWLEDGED_SECONDS: Final = QUIET_SECONDS + INTERVAL_SECONDS * QUESTIONS


def _options() -> list[tuple[int, int, int]]:
    """What the platform has of them; macOS calls the first TCP_KEEPALIVE."""
    names = {
        "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE": QUIET_SECONDS,
        "TCP_KEEPINTVL": INTERVAL_SECONDS,
        "TCP_KEEPCNT": QUESTIONS,
        "TCP_USER_TIMEOUT": UNACKNOWLEDGED_SECONDS * 1_000,
    }
    found = [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in names.items() if hasattr(socket, name)]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *found]


OPTIONS: Final = _options()


async def dialled(address: str, port: int) -> socket.socket:
    """A connected, non-blocking socket to an IP address; raises OSError."""
    family, kind, number, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
    sock = socket.socket(family, kind, number)
    try:
        sock.setblocking(False)
        for level, option, value in OPTIONS:
            sock.setsockopt(level, option, value)
        await asyncio.get_running_loop().sock_connect(sock, place)
    except BaseException:
        sock.close()
        raise
    return sock
