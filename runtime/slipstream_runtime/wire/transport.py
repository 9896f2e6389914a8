"""One connection of the poller in Python: asyncio's Transport, as much of it as a proxy needs. Watches nothing."""

from __future__ import annotations

import os
import select
import socket
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from slipstream_runtime.wire.poller import Poller

SMALL_READ: Final = 32_768  # where a reader was too slow, so that no more than this waits for it
LARGE_READ: Final = 262_144  # where one read after the other was full
IN_A_ROW: Final = 4  # full reads, before they grow
HIGH_WATER: Final = 65_536  # bytes that wait to be sent before the protocol is asked to pause, unless it says otherwise
PIECES: Final = 64  # of one call
ENDS: Final = 0x2000 | select.POLLHUP | select.POLLERR | select.POLLPRI  # 0x2000: RDHUP; a short read then doesn't mean that it was all


class Wire:
    """Made by Poller.attach."""

    __slots__ = (
        "_closing",
        "_end_sent",
        "_end_wanted",
        "_error",
        "_hangs_up",
        "_held",
        "_high",
        "_in_a_row",
        "_low",
        "_out",
        "_paused",
        "_poller",
        "_protocol",
        "_read_end",
        "_read_size",
        "_ready",
        "_unsent",
        "blocked",
        "fd",
        "in_dirty",
        "in_ready",
        "lost",
    )  # fmt: skip

    def __init__(self, poller: Poller, fd: int, protocol: Any) -> None:
        self._poller = poller
        self._protocol = protocol
        self._error: BaseException | None = None
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4
        self._out: list[bytes | memoryview] = []  # the rest of the first that was sent in part, and all after it
        self._unsent = 0
        self._read_size = SMALL_READ
        self._in_a_row = 0  # full reads
        self._paused = False  # the protocol doesn't want to read
        self._ready = False  # there may be something to read that nobody has looked at
        self._read_end = False  # the peer has ended its side
        self._hangs_up = False  # an end, an error or urgent data is among what there is to read
        self._held = False  # pause_writing was called, resume_writing wasn't yet
        self._end_wanted = self._end_sent = False
        self._closing = False  # closes when everything is sent
        self.blocked = False  # the kernel takes no more for now
        self.lost = False  # connection_lost is on its way
        self.in_ready = self.in_dirty = False
        self.fd = fd

    # -- what a protocol asks ---------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Bytes for the peer; sent at the end of the turn, together with what else it writes."""
        if not isinstance(data, bytes):
            raise TypeError(f"a connection sends bytes, not {type(data).__name__}")
        if self._end_wanted:
            raise RuntimeError("write after write_eof")
        if self._closing or self.lost or not data:
            return
        self._out.append(data)
        self._unsent += len(data)
        poller = self._poller
        if poller.running and self._unsent <= self._high:
            if not (self.blocked or self.in_dirty):
                self.in_dirty = True
                poller.dirty.append(self)
            return
        if not self.blocked:
            self.flush()
        if self._unsent > self._high and not (self._held or self.lost):
            self._held = True
            self.call("pause_writing")

    def write_eof(self) -> None:
        """Ends this side, after what is still to be sent."""
        if not (self._end_wanted or self._closing or self.lost):
            self._end_wanted = True
            self.flush()

    def close(self) -> None:
        """Closes, after what is still to be sent; reads no more."""
        if not (self._closing or self.lost):
            self._closing = True
            self.flush()

    def abort(self) -> None:
        """Closes without sending what waits."""
        self.lose(None)

    def pause_reading(self) -> None:
        """data_received isn't called until resume_reading."""
        self._paused = True
        self._read_size, self._in_a_row = SMALL_READ, 0

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
        return self._unsent

    def set_write_buffer_limits(self, high: int = HIGH_WATER, low: int | None = None) -> None:
        """Above `high` bytes pause_writing is called, at `low` resume_writing."""
        low = high // 4 if low is None else low
        if not high >= low >= 0:
            raise ValueError("high has to be at least low, and low at least 0")
        self._high, self._low = high, low

    def set_protocol(self, protocol: Any) -> None:
        """Who hears of it from now on."""
        if self._protocol is not None:
            self._protocol = protocol

    def get_protocol(self) -> Any:
        """Who hears of it; None once it is lost."""
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`peername` and `sockname`, the default for any other."""
        if name not in ("peername", "sockname") or self.fd < 0:
            return default
        borrowed = socket.socket(fileno=self.fd)
        try:
            return borrowed.getpeername() if name == "peername" else borrowed.getsockname()
        except OSError:
            return default
        finally:
            borrowed.detach()

    def fileno(self) -> int:
        """The socket's descriptor; -1 once it is closed."""
        return self.fd

    # -- what the poller does ---------------------------------------------------------------------------------------------

    def happened(self, events: int) -> None:
        """What isn't just something to read."""
        if events & ENDS:
            self._hangs_up = True
        if events & ~select.POLLOUT and not self.in_ready:
            self.read()  # first: what a peer said before it reset the connection would be lost with the failing send
        if self.blocked and events & (select.POLLOUT | select.POLLHUP | select.POLLERR):
            self.blocked = False
            self.flush()

    def read(self) -> None:
        """One read, told to the protocol. Where there may be more it has another turn after the others."""
        if self._paused or self._read_end or self._closing or self.lost:
            self._ready = True
            return
        asked = self._read_size
        try:
            data = os.read(self.fd, asked)
        except BlockingIOError:
            self._ready = False
            return
        except (OSError, MemoryError) as error:
            self.lose(error)
            return
        if not data:
            self._ended()
            return
        full = len(data) == asked
        self._in_a_row = self._in_a_row + 1 if full else 0
        if self._in_a_row == IN_A_ROW and asked < LARGE_READ:
            self._read_size, self._in_a_row = asked * 2, 0
        self._ready = full or self._hangs_up  # the kernel told of all that there is, and won't again
        try:
            self._protocol.data_received(data)
        except BaseException as error:  # noqa: BLE001  # told to the loop, whatever it is
            self._poller.failed(self, error)
        if self._ready:
            self._want_read()

    def flush(self) -> None:
        """Send what waits, as far as the kernel takes it; then what was to follow: the end of this side, or of the connection."""
        out = self._out
        while out and not (self.blocked or self.lost):
            try:
                count = os.write(self.fd, out[0]) if len(out) == 1 else os.writev(self.fd, out[:PIECES])
            except BlockingIOError:
                self.blocked = True
            except OSError as error:
                self.lose(error)
                return
            else:
                if count == self._unsent:  # as usual
                    self._unsent = 0
                    out.clear()
                else:
                    self._sent(count)
        if self._held and self._unsent <= self._low and not self.lost:
            self._held = False
            self.call("resume_writing")
        if out or self.lost:
            return
        if self._end_wanted and not self._end_sent:
            self._end_sent = True
            self._shut()
        if self._closing:
            self.lose(None)

    def call(self, method: str, *arguments: Any) -> Any:
        """A method of the protocol; None where it raised."""
        try:
            return getattr(self._protocol, method)(*arguments)
        except BaseException as error:  # noqa: BLE001  # told to the loop, whatever it is
            self._poller.failed(self, error)
            return None

    def lose(self, error: BaseException | None) -> None:
        """connection_lost follows."""
        if not self.lost and self._protocol is not None:
            self.lost = True
            self._error = error
            self._poller.lost.append(self)
            self._poller.schedule()

    def tell_lost(self) -> None:
        protocol, error = self._protocol, self._error
        self.end()
        try:
            protocol.connection_lost(error)
        except BaseException as raised:  # noqa: BLE001  # told to the loop, whatever it is
            self._poller.failed(self, raised)

    def end(self) -> None:
        """The descriptor, which closing takes out of the epoll, and what was to be sent. Nobody is told."""
        self.lost = True
        self._protocol = self._error = None
        self._out.clear()
        self._unsent = 0
        os.close(self.fd)
        self.fd = -1

    def _want_read(self) -> None:
        """Another turn for what there still is to read, if the protocol wants it."""
        if self._ready and not (self._paused or self._read_end or self._closing or self.lost or self.in_ready):
            self.in_ready = True
            self._poller.ready.append(self)
            self._poller.schedule()

    def _ended(self) -> None:
        self._read_end = True
        if not self.call("eof_received") and not (self._closing or self.lost):
            self._closing = True
            if not self._out:
                self.lose(None)

    def _sent(self, count: int) -> None:
        """Of what waits, the first `count` bytes are gone: not all of it."""
        self._unsent -= count
        out = self._out
        done = 0
        while count >= len(out[done]):
            count -= len(out[done])
            done += 1
        del out[:done]
        if count:
            out[0] = memoryview(out[0])[count:]  # no copy of what may be large

    def _shut(self) -> None:
        borrowed = socket.socket(fileno=self.fd)
        try:
            borrowed.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the peer has gone: reading will tell
        finally:
            borrowed.detach()
