"""A proxy that breaks connections: `python bench/faults.py PORT UPSTREAM_PORT SEED on|off`; a process of its own, prints each fault.

Between sidecar and origin. Each connection gets one fault, after a random number of bytes of its answers: a reset, an end of the stream
while the other direction stays open, silence, or a trickle of a few bytes at a time. Off, it forwards. It listens on two addresses, so that
a pool can change its upstream.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import sys
from typing import Final

import uvloop

ADDRESSES: Final = ("127.0.0.1", "127.0.0.2")
MEAN_BYTES: Final = 400_000
KINDS: Final = ("reset", "half-close", "black-hole", "slow-loris")
TRICKLE_SECONDS, TRICKLE_BYTES, TRICKLES = 0.02, 16, 150
RESET: Final = struct.pack("ii", 1, 0)


class Side(asyncio.Protocol):
    """One end of a forwarded connection; `fault` is what befalls what arrives here, after `left` bytes."""

    def __init__(self, fault: str = "", left: int = 0) -> None:
        self.fault, self._left = fault, left
        self.transport: asyncio.Transport | None = None
        self.peer: Side | None = None
        self._early = b""
        self._silent = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def join(self, peer: Side) -> None:
        self.peer, peer.peer = peer, self
        for side in (self, peer):
            data, side._early = side._early, b""
            if data:
                side.data_received(data)

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self._early += data
        elif not self._silent and self.peer.transport is not None:
            if self.fault and len(data) > self._left:
                self.peer.transport.write(data[: self._left])
                self._silent = True
                self._break(data[self._left :])
            else:
                self._left -= len(data)
                self.peer.transport.write(data)

    def _break(self, rest: bytes) -> None:
        print(self.fault, flush=True)
        assert self.peer is not None
        if self.fault == "reset":
            self.peer.reset()
        elif self.fault == "half-close" and self.peer.transport is not None:
            self.peer.transport.write_eof()
        elif self.fault == "slow-loris":
            self._trickle(rest, TRICKLES)

    def _trickle(self, rest: bytes, times: int) -> None:
        if self.peer is None or self.peer.transport is None or self.peer.transport.is_closing():
            return
        if not rest or not times:
            self.peer.transport.abort()
            return
        self.peer.transport.write(rest[:TRICKLE_BYTES])
        asyncio.get_running_loop().call_later(TRICKLE_SECONDS, self._trickle, rest[TRICKLE_BYTES:], times - 1)

    def reset(self) -> None:
        """RST instead of FIN."""
        if self.transport is not None:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.close()


class Accepted(Side):
    """The sidecar's side: finds the origin for it."""

    def __init__(self, upstream: int, far: Side) -> None:
        super().__init__()
        self._upstream, self._far = upstream, far
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._task = asyncio.get_running_loop().create_task(self._dial())

    async def _dial(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self._far, "127.0.0.1", self._upstream)
        except OSError:
            self.reset()
            return
        self.join(self._far)
        if self.transport is None and self._far.transport is not None:
            self._far.transport.close()


async def serve(port: int, upstream: int, seed: str, on: bool) -> None:
    chance = random.Random(seed)

    def accept() -> Accepted:
        far = Side(chance.choice(KINDS), round(chance.expovariate(1 / MEAN_BYTES))) if on else Side()
        return Accepted(upstream, far)

    server = await asyncio.get_running_loop().create_server(accept, ADDRESSES, port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4] == "on"))
