"""Accepts what waits at a listening socket, many connections at a turn of the loop; knows no protocol.

uvloop's own servers accept one connection a turn: thousands that come at once then wait for as many turns, and time out behind the requests
of those that were earlier."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, Final

from slipstream_runtime.wire.wires import Wires

AT_ONCE: Final = 100  # a turn, so that a flood of connections doesn't stop those that are open
WAITING: Final = 4096  # at the end; more than a backlog holds
REST_SECONDS: Final = 1.0  # without descriptors or memory; trying again at once would only burn the core

log = logging.getLogger("slipstream.listener")


class Acceptor:
    """Open from the start; `close` ends it, not the connections."""

    def __init__(self, sock: socket.socket, factory: Callable[[], Any], wires: Wires) -> None:
        self._sock = sock
        self._factory = factory
        self._wires = wires
        self._loop = asyncio.get_running_loop()
        self._rest: asyncio.TimerHandle | None = None
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._ready)

    @property
    def port(self) -> int:
        return int(self._sock.getsockname()[1])

    def close(self) -> None:
        """What has connected already is still taken, since the end of the socket would reset it."""
        self._rested()
        self._take(WAITING)
        self._rested()
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()

    def _ready(self) -> None:
        self._take(AT_ONCE)

    def _take(self, most: int) -> None:
        for _ in range(most):
            try:
                sock, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("can't accept a connection", extra={"detail": str(error), "port": self.port})
                self._loop.remove_reader(self._sock.fileno())
                self._rest = self._loop.call_later(REST_SECONDS, self._again)
                return
            sock.setblocking(False)
            self._wires.accepted(sock, self._factory)

    def _rested(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def _again(self) -> None:
        self._rest = None
        self._loop.add_reader(self._sock.fileno(), self._ready)
