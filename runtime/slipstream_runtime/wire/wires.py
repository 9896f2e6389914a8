"""Turns connected sockets into transports: by a poller, in C where that was built, or by the event loop where there is no epoll.

All kinds pass the same tests (tests/fakes/wires_conformance.py). A protocol can't tell which it has, but for two liberties of the pollers:
`connection_made` is called at once, and what is written during a turn leaves at its end, in one call for each connection. So a peer on the
same machine is woken once for many answers, not for each of them. Resolves no name."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import ssl
from collections.abc import Callable
from typing import Any, Protocol, cast

from slipstream_runtime.wire.dialling import dialled

Joined = tuple[asyncio.Transport, Any]


class Polling(Protocol):
    """A poller, in C or in Python."""

    def attach(self, fd: int, protocol: Any, /) -> Any: ...
    def run(self) -> None: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


# later (call_soon), failed (hears what a protocol raised) -> the poller.
Kind = Callable[[Callable[[Callable[[], None]], object], Callable[[BaseException], None]], Polling]


def _built() -> tuple[Kind | None, str]:
    wanted = os.environ.get("SLIPSTREAM_WIRES", "")
    if wanted == "loop" or not hasattr(select, "epoll"):
        return None, "loop"
    if wanted != "python":
        with contextlib.suppress(ImportError):
            from slipstream_runtime.wire import _wire

            return _wire.Poller, "c"
    from slipstream_runtime.wire.poller import Poller

    return Poller, "python"


POLLER, WIRES = _built()  # what `make_wires` takes, and its name: c, python or loop


class Wires:
    """The connections of one event loop; made before there is one."""

    def accepted(self, sock: socket.socket, factory: Callable[[], Any]) -> None:
        """Takes over a non-blocking socket that was accepted; a connection that has gone meanwhile is dropped."""
        raise NotImplementedError

    async def connect(self, factory: Callable[[], Any], address: str, port: int, bounded: bool = False) -> Joined:
        """A connection to an IP address; raises OSError. `bounded`: as for `dialled`."""
        raise NotImplementedError

    def close(self) -> None:
        """The end of all connections: those that were aborted hear of it, the others don't. Before the loop is closed."""


async def started(sock: socket.socket, factory: Callable[[], Any], tls: ssl.SSLContext | None = None, name: str | None = None) -> Joined:
    """A transport of the event loop on a socket that was dialled; raises what a handshake for `name` does."""
    return await asyncio.get_running_loop().create_connection(factory, sock=sock, ssl=tls, server_hostname=name)


class LoopWires(Wires):
    """By the event loop."""

    def __init__(self) -> None:
        self._starting: set[asyncio.Task[None]] = set()

    def accepted(self, sock: socket.socket, factory: Callable[[], Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._start(sock, factory))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _start(self, sock: socket.socket, factory: Callable[[], Any]) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(factory, sock)
        except OSError:
            sock.close()  # it has gone again

    async def connect(self, factory: Callable[[], Any], address: str, port: int, bounded: bool = False) -> Joined:
        return await started(await dialled(address, port, bounded), factory)


class PollerWires(Wires):
    """By a poller."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._poller: Polling | None = None

    def accepted(self, sock: socket.socket, factory: Callable[[], Any]) -> None:
        with contextlib.suppress(OSError):  # it has gone again; its socket is closed
            self._attach(sock, factory())

    async def connect(self, factory: Callable[[], Any], address: str, port: int, bounded: bool = False) -> Joined:
        sock = await dialled(address, port, bounded)
        protocol = factory()
        return self._attach(sock, protocol), protocol

    def close(self) -> None:
        poller = self._poller
        if poller is not None:
            poller.run()
            self._poller = None
            asyncio.get_running_loop().remove_reader(poller.fileno())
            poller.close()

    def _attach(self, sock: socket.socket, protocol: Any) -> asyncio.Transport:
        poller = self._poller or self._started()
        try:
            wire = poller.attach(sock.fileno(), protocol)
        except BaseException:
            sock.close()
            raise
        sock.detach()
        return cast("asyncio.Transport", wire)

    def _started(self) -> Polling:
        loop = asyncio.get_running_loop()

        def failed(error: BaseException) -> None:
            loop.call_exception_handler({"message": "a protocol of a connection failed", "exception": error})

        poller = self._poller = self._kind(loop.call_soon, failed)
        loop.add_reader(poller.fileno(), poller.run)
        return poller


def make_wires() -> Wires:
    """The fastest there is."""
    return LoopWires() if POLLER is None else PollerWires(POLLER)
