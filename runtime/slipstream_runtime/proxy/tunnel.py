"""Two sockets joined raw, with backpressure and half-close: upgraded connections, pass-through ports, protocols that aren't HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from slipstream_api.config import Upstream
from slipstream_runtime.proxy.dialer import Dialer, DialError


class TunnelEnd:
    """One side: what arrives here leaves at the peer."""

    __slots__ = ("_closed", "_ended", "_on_closed", "peer", "transport")

    def __init__(self, on_closed: Callable[[], None] | None = None) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: TunnelEnd | None = None
        self._on_closed = on_closed
        self._closed = False
        self._ended = False  # nothing more comes from this side

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        peer = self.peer
        if peer is not None and peer.transport is not None:
            peer.transport.write(data)

    def eof_received(self) -> bool:
        peer = self.peer
        if self._ended:
            return True  # uvloop tells it again after pause and resume
        if peer is None or peer.transport is None or peer.transport.is_closing() or not peer.transport.can_write_eof():
            return False
        self._ended = True
        if peer._ended:
            return False
        peer.transport.write_eof()
        return True  # the other direction may still have something to say

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


def join(left: TunnelEnd, right: TunnelEnd) -> None:
    left.peer = right
    right.peer = left


class RawClient(TunnelEnd):
    """A client of a raw port: what it says before its upstream is there is kept, at most one read; closed if the upstream never is.

    Reading is paused with the first bytes, since uvloop starts reading after `connection_made` whatever was asked there."""

    __slots__ = ("_dialer", "_early", "_early_end", "_task", "_timeout", "_upstream")

    def __init__(self, dialer: Dialer, upstream: Upstream, timeout: float, on_closed: Callable[[], None] | None = None) -> None:
        super().__init__(on_closed)
        self._dialer = dialer
        self._upstream = upstream
        self._timeout = timeout
        self._task: asyncio.Task[None] | None = None
        self._early = b""
        self._early_end = False

    def data_received(self, data: bytes) -> None:
        if self.peer is not None:
            super().data_received(data)
        elif self.transport is not None:
            self._early += data
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        if self.peer is not None:
            return super().eof_received()
        self._early_end = True
        return True

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._task = asyncio.get_running_loop().create_task(self._dial(transport))

    def connection_lost(self, error: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()
        super().connection_lost(error)

    async def _dial(self, transport: asyncio.Transport) -> None:
        far = TunnelEnd()
        try:
            await self._dialer.connect(lambda: far, self._upstream, self._timeout)
        except DialError:
            transport.abort()  # the caller sees a reset, as it would without us
            return
        finally:
            self._task = None
        join(self, far)
        if self._early:
            super().data_received(self._early)
            self._early = b""
            transport.resume_reading()
        if self._early_end:
            super().eof_received()
