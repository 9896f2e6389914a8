"""One connection of the poller in Python: asyncio's Transport, as much of it as a proxy needs. Watches nothing.

The poller itself does the ordinary read and send of one that is `plain` or has a `piece`; all that is out of the ordinary is here."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from slipstream_runtime.wire.poller import Poller

SMALL_READ: Final = 32_768  # where a reader was too slow, so that no more than this waits for it
LARGE_READ: Final = 262_144  # where one read after the other was full
IN_A_ROW: Final = 4  # full reads, before they grow
HIGH_WATER: Final = 65_536  # bytes that wait to be sent before the protocol is asked to pause, unless it says otherwise
PIECES: Final = 64  # of one call


class Wire:
    """Made by Poller.attach."""

    __slots__ = (
        "_closing", "_end_sent", "_end_wanted", "_error", "_held", "_high", "_in_a_row", "_low", "_out", "_paused",
        "_poller", "_read_end", "_ready", "blocked", "fd", "hangs_up", "idle", "in_dirty", "in_ready", "lost", "piece", "plain", "protocol",
        "read_size", "unsent",
    )  # fmt: skip

    def __init__(self, poller: Poller, fd: int, protocol: Any) -> None:
        self._poller = poller
        self.protocol = protocol
        self._error: BaseException | None = None
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4
        self.piece: bytes | None = None  # all that waits, where that is one piece, and this is among `dirty` for it
        self._out: list[bytes | memoryview] = []  # all that waits otherwise: the rest of what was sent in part, and all after it
        self.unsent = 0
        self.read_size = SMALL_READ
        self._in_a_row = 0  # full reads
        self._paused = False  # the protocol doesn't want to read
        self._ready = False  # there may be something to read that nobody has looked at
        self._read_end = False  # the peer has ended its side
        self.hangs_up = False  # an end, an error or urgent data is among what there is to read
        self._held = False  # pause_writing was called, resume_writing wasn't yet
        self._end_wanted = self._end_sent = False
        self._closing = False  # closes when everything is sent
        self.blocked = False  # the kernel takes no more for now
        self.lost = False  # connection_lost is on its way
        self.in_ready = self.in_dirty = False  # among those of the poller; `in_dirty`: for what is in `_out`
        # Each says at once that many of the above are as usual. False is always right: then all are looked at, which takes longer.
        self.plain = True  # reads, isn't blocked or among `ready`, doesn't hang up, the last read wasn't full: a short one changes nothing
        self.idle = True  # nothing waits and nothing is to follow, so the next that is written is a `piece`
        self.fd = fd

    # -- what a protocol asks ---------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Bytes for the peer; sent at the end of the turn, together with what else it writes."""
        poller = self._poller
        if self.idle and type(data) is bytes and poller.running and data and (size := len(data)) <= self._high:
            self.idle = False
            self.piece = data
            self.unsent = size
            poller.dirty.append(self)
            return
        if not isinstance(data, bytes):
            raise TypeError(f"a connection sends bytes, not {type(data).__name__}")
        if self._end_wanted:
            raise RuntimeError("write after write_eof")
        if self._closing or self.lost or not data:
            return
        self._busy()
        self._out.append(data)
        self.unsent += len(data)
        if poller.running and self.unsent <= self._high:
            if not (self.blocked or self.in_dirty):
                self.in_dirty = True
                poller.dirty.append(self)
            return
        if not self.blocked:
            self.flush()
        if self.unsent > self._high and not (self._held or self.lost):
            self._held = True
            self.call("pause_writing")

    def write_eof(self) -> None:
        """Ends this side, after what is still to be sent."""
        if not (self._end_wanted or self._closing or self.lost):
            self._end_wanted = True
            self._busy()
            self.flush()

    def close(self) -> None:
        """Closes, after what is still to be sent; reads no more."""
        if not (self._closing or self.lost):
            self._closing, self.plain = True, False
            self._busy()
            self.flush()

    def abort(self) -> None:
        """Closes without sending what waits."""
        self.lose(None)

    def pause_reading(self) -> None:
        """data_received isn't called until resume_reading."""
        self._paused, self.plain = True, False
        self.read_size, self._in_a_row = SMALL_READ, 0

    def resume_reading(self) -> None:
        self._paused = False
        self._want_read()

    def is_reading(self) -> bool:
        return not (self._paused or self._read_end or self._closing or self.lost)

    def is_closing(self) -> bool:
        return self._closing or self.lost

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        """Bytes that the kernel hasn't taken yet."""
        return self.unsent

    def set_write_buffer_limits(self, high: int = HIGH_WATER, low: int | None = None) -> None:
        """Above `high` bytes pause_writing is called, at `low` resume_writing."""
        low = high // 4 if low is None else low
        if not high >= low >= 0:
            raise ValueError("high has to be at least low, and low at least 0")
        self._high, self._low = high, low

    def set_protocol(self, protocol: Any) -> None:
        """Who hears of it from now on."""
        if self.protocol is not None:
            self.protocol = protocol

    def get_protocol(self) -> Any:
        """Who hears of it; None once it is lost."""
        return self.protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`peername` and `sockname`, the default for any other."""
        if name not in ("peername", "sockname") or self.fd < 0:
            return default
        found = self._borrow(socket.socket.getpeername if name == "peername" else socket.socket.getsockname)
        return default if found is None else found

    def fileno(self) -> int:
        """The socket's descriptor; -1 once it is closed."""
        return self.fd

    # -- what the poller does ---------------------------------------------------------------------------------------------

    def read(self) -> None:
        """One read, told to the protocol. Where there may be more it has another turn after the others."""
        if self._paused or self._read_end or self._closing or self.lost:
            self._ready = True
            return
        asked = self.read_size
        try:
            data = os.read(self.fd, asked)
        except BlockingIOError:
            self._ready = False
        except (OSError, MemoryError) as error:
            self.lose(error)
        else:
            self.received(data, asked)

    def received(self, data: bytes, asked: int) -> None:
        """What was read where so much was asked for."""
        if not data:
            self._ended()
            return
        full = len(data) == asked
        self._in_a_row = self._in_a_row + 1 if full else 0
        if self._in_a_row == IN_A_ROW and asked < LARGE_READ:
            self.read_size, self._in_a_row = asked * 2, 0
        self._ready = full or self.hangs_up  # the kernel told of all that there is, and won't again
        self.plain = not (self._ready or self.blocked)
        self.call("data_received", data)
        self._want_read()

    def flush(self) -> None:
        """Send what waits, as far as the kernel takes it; then what was to follow: the end of this side, or of the connection."""
        out = self._out
        while out and not (self.blocked or self.lost):
            try:
                count = os.write(self.fd, out[0]) if len(out) == 1 else os.writev(self.fd, out[:PIECES])
            except OSError as error:
                self.refused(error)
                if not self.blocked:
                    return
            else:
                if count == self.unsent:
                    self.unsent = 0
                    out.clear()
                else:
                    self.sent(count)
        self.idle = not (out or self.in_dirty or self._end_wanted or self._closing or self.lost)
        if self._held and self.unsent <= self._low and not self.lost:
            self._held = False
            self.call("resume_writing")
        if out or self.lost:
            return
        if self._end_wanted and not self._end_sent:
            self._end_sent = True
            self._borrow(lambda borrowed: borrowed.shutdown(socket.SHUT_WR))  # where it fails the peer has gone: reading will tell
        if self._closing:
            self.lose(None)

    def refused(self, error: OSError) -> None:
        """The kernel takes nothing of what waits: for now, or never."""
        self._busy()
        if isinstance(error, BlockingIOError):
            self.blocked, self.plain = True, False
        else:
            self.lose(error)

    def sent(self, count: int) -> None:
        """Of what waits, the first `count` bytes are gone: not all of it."""
        self._busy()
        self.unsent -= count
        out = self._out
        done = 0
        while count >= len(out[done]):
            count -= len(out[done])
            done += 1
        del out[:done]
        if count:
            out[0] = memoryview(out[0])[count:]  # no copy of what may be large

    def call(self, method: str, *arguments: Any) -> Any:
        """A method of the protocol; None where it raised."""
        try:
            return getattr(self.protocol, method)(*arguments)
        except BaseException as error:  # noqa: BLE001  # told to the loop, whatever it is
            self._poller.failed(self, error)
            return None

    def lose(self, error: BaseException | None) -> None:
        """connection_lost follows."""
        if not self.lost and self.protocol is not None:
            self.lost, self.plain, self._error = True, False, error
            self._busy()
            self._poller.lost.append(self)
            self._poller.schedule()

    def tell_lost(self) -> None:
        protocol, error = self.protocol, self._error
        self.end()
        try:
            protocol.connection_lost(error)
        except BaseException as raised:  # noqa: BLE001  # told to the loop, whatever it is
            self._poller.failed(self, raised)

    def end(self) -> None:
        """The descriptor, which closing takes out of the epoll, and what was to be sent. Nobody is told."""
        self.lost, self.plain, self.idle = True, False, False
        self.protocol = self._error = self.piece = None
        self._out.clear()
        self.unsent = 0
        os.close(self.fd)
        self.fd = -1

    def _want_read(self) -> None:
        """Another turn for what there still is to read, if the protocol wants it."""
        if self._ready and not (self._paused or self._read_end or self._closing or self.lost or self.in_ready):
            self.in_ready = True
            self._poller.ready.append(self)
            self._poller.schedule()

    def _ended(self) -> None:
        self._read_end, self.plain = True, False
        if not self.call("eof_received") and not (self._closing or self.lost):
            self._closing = True
            self._busy()
            if not self._out:
                self.lose(None)

    def _busy(self) -> None:
        """What waits isn't just one piece, or something is to follow it."""
        self.idle = False
        if self.piece is not None:
            self._out.append(self.piece)
            self.piece = None
            self.in_dirty = True

    def _borrow(self, act: Callable[[socket.socket], Any]) -> Any:
        """What this socket answers; None where it fails."""
        borrowed = socket.socket(fileno=self.fd)
        try:
            return act(borrowed)
        except OSError:
            return None
        finally:
            borrowed.detach()
