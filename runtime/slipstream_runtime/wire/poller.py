"""The poller in C once more, in Python: the same turns, for where nothing was compiled. Knows no event loop and no protocol.

A turn reads what is ready, then sends what the reads made, then tells who is gone. Names and bounds are as in C."""

from __future__ import annotations

import select
from collections.abc import Callable
from os import read, write
from typing import Any, Final

from slipstream_runtime.wire.transport import Wire

EVENTS: Final = 256  # of one look
ENDS: Final = 0x2000 | select.POLLHUP | select.POLLERR | select.POLLPRI  # 0x2000: RDHUP; a short read then doesn't mean that it was all
LOOKS: Final = 4  # of one turn, so that timers and the rest of the loop have theirs


class Poller:
    """The connections of one event loop; `later` is its call_soon, `failed` hears what protocols raise."""

    def __init__(self, later: Callable[[Callable[[], None]], object], failed: Callable[[BaseException], None]) -> None:
        self.running = False  # what is written waits until the turn ends
        self.ready: list[Wire] = []
        self.dirty: list[Wire] = []
        self.lost: list[Wire] = []
        self._later = later
        self._failed = failed
        self._usual: int = select.EPOLLIN | select.EPOLLOUT
        self._interest: int = self._usual | select.EPOLLPRI | select.EPOLLRDHUP | select.EPOLLET
        self._scheduled = False
        self._wires: dict[int, Wire] = {}
        self._epoll = select.epoll()

    def fileno(self) -> int:
        """The epoll's descriptor, readable when a connection is ready."""
        return self._epoll.fileno()

    def attach(self, fd: int, protocol: Any) -> Wire:
        """Takes a connected, non-blocking socket over."""
        if self._epoll.closed:
            raise RuntimeError("the poller is closed")
        wire = Wire(self, fd, protocol)
        self._epoll.register(fd, self._interest)
        self._wires[fd] = wire
        wire.call("connection_made", wire)
        return wire

    def run(self) -> None:
        """A turn, for the loop when `fileno` is readable."""
        if self.running or self._epoll.closed:
            return
        self.running, self._scheduled = True, False
        try:
            for _ in range(LOOKS):
                if not self._look():
                    break
        finally:
            self.running = False
        if self.ready:
            self.schedule()

    def _look(self) -> bool:
        """Whether there was something."""
        events = self._epoll.poll(0, EVENTS)
        more = self.ready
        if not (events or more or self.dirty or self.lost):
            return False
        self.ready = []
        self._read(events)
        for wire in more:
            wire.in_ready = False
            if not wire.lost:
                wire.read()
        while self.dirty or self.lost:
            self._send()
            lost, self.lost = self.lost, []
            for wire in lost:
                self._epoll.unregister(wire.fd)  # closing alone doesn't, where a process that is being started has a copy
                del self._wires[wire.fd]
                wire.tell_lost()
        return bool(events or more)

    def _read(self, events: list[tuple[int, int]]) -> None:
        """What is ready. The ordinary short read is done here, not by the connection: a call would cost a third as much again."""
        wires, usual = self._wires, self._usual
        for fd, what in events:
            wire = wires[fd]
            if what != usual or not wire.plain:
                self._happened(wire, what)
                continue
            asked = wire.read_size
            try:
                data = read(fd, asked)
            except BlockingIOError:
                continue
            except (OSError, MemoryError) as error:
                wire.lose(error)
                continue
            if len(data) == asked or not data:
                wire.received(data, asked)
                continue
            try:
                wire.protocol.data_received(data)
            except BaseException as error:  # noqa: BLE001  # told to the loop, whatever it is
                self.failed(wire, error)

    def _happened(self, wire: Wire, events: int) -> None:
        """What isn't just something to read, or not where that is all there is to it."""
        if events & ENDS:
            wire.hangs_up, wire.plain = True, False
        if events & ~select.POLLOUT and not wire.in_ready:
            wire.read()  # first: what a peer said before it reset the connection would be lost with the failing send
        if wire.blocked and events & (select.POLLOUT | select.POLLHUP | select.POLLERR):
            wire.blocked = False
            wire.flush()

    def _send(self) -> None:
        """What was written meanwhile. The ordinary piece, which the kernel takes whole, is sent here, for the same reason."""
        dirty, self.dirty = self.dirty, []
        for wire in dirty:
            piece = wire.piece
            if piece is not None:
                try:
                    count = write(wire.fd, piece)
                except OSError as error:
                    wire.refused(error)
                else:
                    if count == wire.unsent:
                        wire.piece = None
                        wire.unsent = 0
                        wire.idle = True
                        continue
                    wire.sent(count)
            wire.in_dirty = False
            wire.flush()

    def schedule(self) -> None:
        """Run soon, unless it runs."""
        if not (self.running or self._scheduled):
            self._later(self.run)
            self._scheduled = True

    def failed(self, wire: Wire, error: BaseException) -> None:
        """A protocol raised: told to the loop, and the connection ends."""
        self._failed(error)
        wire.lose(error)

    def close(self) -> None:
        """Closes all connections; their protocols hear nothing of it."""
        if self.running:
            raise RuntimeError("a poller can't be closed by the connections that it is looking at")
        self._epoll.close()
        wires, self._wires = self._wires, {}
        self.ready.clear()
        self.dirty.clear()
        self.lost.clear()
        for wire in wires.values():
            wire.end()

    def __del__(self) -> None:
        for wire in self._wires.values():
            wire.end()
