"""Two sockets joined raw, with backpressure and half-close: upgraded connections, pass-through ports, protocols that aren't HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from slipstream_api.config import Upstream
from slipstream_runtime.proxy.dialer import Dialer, DialError
from slipstream_runtime.proxy.raw_ports import RawPorts


class TunnelEnd:
    """One side: what arrives here leaves at the peer. What comes before there is one is kept, at most one read."""

    __slots__ = ("_closed", "_early", "_early_end", "_ended", "_on_closed", "peer", "transport")

    def __init__(self, on_closed: Callable[[], None] | None = None) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: TunnelEnd | None = None
        self._on_closed = on_closed
        self._closed = False
        self._ended = False  # nothing more comes from this side
        self._early = b""
        self._early_end = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        peer = self.peer
        if peer is None:
            self._early += data
            if self.transport is not None:
                self.transport.pause_reading()
        elif peer.transport is not None:
            peer.transport.write(data)

    def eof_received(self) -> bool:
        peer = self.peer
        if peer is None:
            self._early_end = True
            return True
        if self._ended:
            return True  # uvloop tells it again after pause and resume
        if peer.transport is None or peer.transport.is_closing() or not peer.transport.can_write_eof():
            return False
        self._ended = True
        if peer._ended:
            return False
        peer.transport.write_eof()
        return True  # the other direction may still have something to say

    def joined(self) -> None:
        """There is a peer: it hears of what has happened already."""
        early, self._early = self._early, b""
        if early:
            self.data_received(early)
            if self.transport is not None and not self.transport.is_closing():
                self.transport.resume_reading()
        if self._early_end and not self.eof_received() and self.transport is not None:
            self.transport.close()
        if self._closed and self.peer is not None and self.peer.transport is not None:
            self.peer.transport.close()

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None and not self.peer.transport.is_closing():
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None and not self.peer.transport.is_closing():
            self.peer.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if self._closed:
            return
        self._closed = True
        peer = self.peer
        if peer is not None and peer.transport is not None:
            if error is None:
                peer.transport.close()  # flushes what it still has
            else:
                peer.transport.abort()
        if self._on_closed is not None:
            self._on_closed()

    def unless_joined(self) -> None:
        """Nobody will be its peer any more: it ends, or never was."""
        if self.peer is None:
            if self.transport is not None:
                self.transport.abort()
            else:
                self.connection_lost(None)


def join(left: TunnelEnd, right: TunnelEnd) -> None:
    left.peer = right
    right.peer = left
    left.joined()
    right.joined()


class RawClient(TunnelEnd):
    """A client of a raw port; closed if its upstream never is there, or there is no place for a connection among `ports`.

    Reading is paused with the first bytes, since uvloop starts reading after `connection_made` whatever was asked there."""

    __slots__ = ("_dialer", "_ports", "_task", "_timeout", "_upstream")

    def __init__(
        self,
        dialer: Dialer,
        upstream: Upstream,
        timeout: float,
        on_closed: Callable[[], None] | None = None,
        ports: RawPorts | None = None,
    ) -> None:
        super().__init__(on_closed)
        self._ports = ports
        self._dialer = dialer
        self._upstream = upstream
        self._timeout = timeout
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        ports = self._ports
        if ports is not None and not ports.takes(self._upstream):
            transport.abort()  # as where the upstream isn't there
            return
        far = TunnelEnd(None if ports is None else ports.gives_back)  # once: at its end, or when there can't be one
        self._task = asyncio.get_running_loop().create_task(self._dial(transport, far))
        self._task.add_done_callback(lambda _: far.unless_joined())  # even where its caller left before it began

    def connection_lost(self, error: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()
        super().connection_lost(error)

    async def _dial(self, transport: asyncio.Transport, far: TunnelEnd) -> None:
        try:
            await self._dialer.connect(lambda: far, self._upstream, self._timeout)
        except DialError:
            transport.abort()  # the caller sees a reset, as it would without us
            return
        finally:
            self._task = None
        join(self, far)
