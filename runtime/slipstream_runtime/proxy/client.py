"""One client connection: requests parsed strictly, one at a time and in order, answers written once per read. Knows nothing of policy."""

from __future__ import annotations

import asyncio
from typing import Final

from slipstream_runtime.http.body import UNKNOWN, BodyReader
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy.answers import malformed_answer
from slipstream_runtime.proxy.context import HEAD_SECONDS, IDLE_SECONDS, LINGER_SECONDS, NEVER, Context
from slipstream_runtime.proxy.parties import Call, Door

MAX_WAITING: Final = 65_536  # bytes of pipelined requests, or of a body nobody wants, before reading stops or the connection ends
CR: Final = 0x0D
WRITE_HIGH: Final = 65_536  # bytes that may wait for a slow reader before its upstream is paused

READING: Final = 0
LINGERING: Final = 1
CLOSED: Final = 2


class Client:
    """An asyncio protocol (duck-typed, so that it compiles)."""

    __slots__ = ("_buffer", "_corked", "_door", "_held_at", "_out", "_out_size", "_paused", "_seen", "_state", "body", "body_bytes",
                 "context", "deadline", "exchange", "held_seconds", "transport", "writable")  # fmt: skip

    def __init__(self, context: Context, door: Door) -> None:
        self.context = context
        self._door = door
        self.transport: asyncio.Transport | None = None
        self.exchange: Call | None = None
        self.deadline = NEVER
        self.body = BodyReader()
        self.body_bytes = 0  # of the body under way that came
        self.held_seconds = 0.0  # that it wasn't read
        self._held_at = 0.0
        self._buffer = b""
        self._seen = 0
        self._out: list[bytes] = []
        self._out_size = 0
        self._corked = False
        self._paused = False
        self.writable = True
        self._state = READING

    # -- what an exchange or a service asks -------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Bytes for the client, in order; joined with what else this read produces."""
        if self._corked:
            self._out.append(data)
            self._out_size += len(data)
            if self._out_size > WRITE_HIGH:
                self._flush()  # so that the transport can say when it is too much
        elif self.transport is not None:
            self.transport.write(data)

    def granted(self, opening: float) -> None:
        """The request that waited for a connection has one, which took so long to open if it is new; of interest to the access log only."""

    def keeps(self, head: RequestHead) -> bool:
        """Whether the connection can serve another request after the answer to this one; decided when its head is written."""
        if not head.keep_alive or self.context.draining:
            return False
        # An unread body is skipped where that is cheap and sure. A client that still waits for 100-continue may send it or not.
        body = self.body
        return body.complete or (not head.expects_continue and 0 <= body.left <= MAX_WAITING)

    def finished(self, keep: bool) -> None:
        """The answer is complete."""
        self.exchange = None
        if self._state != READING:
            return
        if not keep:
            self._finish()
        elif not self._corked:
            self.deadline = self.context.now + (IDLE_SECONDS if self.body.complete else LINGER_SECONDS)
            if self._paused:
                self.want_body()
            if self._buffer:
                data, self._buffer = self._buffer, b""
                self._consume(data)

    def abort(self) -> None:
        """The answer can't be completed: the connection is cut, so that nobody takes what there is for the whole."""
        self.exchange = None
        self._state = CLOSED
        self._out.clear()
        if self.transport is not None:
            self.transport.abort()

    @property
    def held(self) -> bool:
        """Reading is paused: what doesn't come isn't the client's fault."""
        return self._paused

    @property
    def unwritten(self) -> int:
        """Bytes that the client hasn't taken yet."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        """The raw transport, for a tunnel, and what the client sent ahead."""
        assert self.transport is not None
        self._state = CLOSED
        self.exchange = None
        self.context.clients.discard(self)
        data, self._buffer = self._buffer, b""
        self.want_body()
        return self.transport, data

    # -- what asyncio tells -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(high=WRITE_HIGH)
        self.deadline = self.context.now + IDLE_SECONDS
        self.context.clients.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.context.clients.discard(self)
        self._state = CLOSED
        self.transport = None
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.on_client_gone()

    def eof_received(self) -> bool:
        """A client that closes its side has left: what it asked for isn't worth the upstream's work."""
        return False

    def pause_writing(self) -> None:
        self.writable = False
        if self.exchange is not None:
            self.exchange.on_client_writable(False)

    def resume_writing(self) -> None:
        self.writable = True
        if self.exchange is not None:
            self.exchange.on_client_writable(True)
        elif self._buffer and self._state == READING:
            self.want_body()
            data, self._buffer = self._buffer, b""
            self._consume(data)

    def data_received(self, data: bytes) -> None:
        if self._state != READING:
            return
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        self._consume(data)

    def expire(self) -> None:
        """The sweep: nothing came in time. An unfinished head deserves a word (408), an idle connection doesn't."""
        if self.transport is None:
            return
        if self._state == READING and self._buffer:
            self.transport.write(malformed_answer(408, "the head of the request took too long", self.context.date))
        self.transport.close()
        self._state = CLOSED

    def retire(self) -> None:
        """Draining: an idle connection is closed at once, a busy one after its answer."""
        if self.exchange is None and self._state == READING and not self._buffer and self.body.complete and self.transport is not None:
            self._state = CLOSED
            self.transport.close()

    # -- parsing ----------------------------------------------------------------------------------------------------------

    def _consume(self, data: bytes) -> None:
        at, size = 0, len(data)
        self._corked = True
        try:
            while at < size and self._state == READING:
                if not self.body.complete:
                    at = self._body(data, at)
                elif self.exchange is not None or not self.writable:
                    break  # its turn comes
                else:
                    after = self._request(data, at)
                    if after < 0:
                        break
                    at = after
        except MalformedError as error:
            self._refuse(error)
        self._corked = False
        if at < size and self._state == READING:
            self._keep(data[at:] if at else data)
        elif self.exchange is None and self.body.complete and self._state == READING:
            self.deadline = self.context.now + IDLE_SECONDS
        if self._out:
            self._flush()

    def _keep(self, rest: bytes) -> None:
        self._buffer = rest
        if self.exchange is not None or not self.writable:
            if len(rest) > MAX_WAITING:
                self.hold_body()
        else:
            if not self._seen:
                self.deadline = self.context.now + HEAD_SECONDS
            self._seen = len(rest)

    def _request(self, data: bytes, at: int) -> int:
        """Take one request from data[at:]; the index after its head and what there is of its body, -1 where the head isn't complete."""
        service = self._door.service
        seen = at + self._seen
        if data[at] == CR and data.startswith(b"\r\n", at):
            at += 2  # RFC 9112 §2.2: an empty line before a request
        limits = service.limits
        head, at = self.context.requests.take(data, at, seen, limits)
        if head is None:
            return -1
        self._seen = 0
        self.deadline = NEVER
        if head.body:
            self.body.begin(head.body, limits.body)
            content, at = self.body.take(data, at)
            self.body_bytes = len(content)
            self.held_seconds = 0.0
            self.exchange = service.handle(self, head, content, self.body.complete)
            if self.exchange is None and not self.body.complete:
                self.deadline = self.context.now + LINGER_SECONDS
        else:
            self.exchange = service.handle(self, head, b"", True)
        return at

    def _body(self, data: bytes, at: int) -> int:
        content, at = self.body.take(data, at)
        self.body_bytes += len(content)
        if self.exchange is not None:
            self.exchange.on_request_body(content, self.body.complete)
        return at

    def _refuse(self, error: MalformedError) -> None:
        """Nothing after a framing error can be trusted: one answer, then the end. In the middle of an exchange there's no room for one,
        unless it has no answer yet and says itself that the body is too long."""
        if self.exchange is not None:
            self.body.complete = False
            self.body.left = UNKNOWN
            if error.status == 413 and self.exchange.refuses_body():
                return
            exchange, self.exchange = self.exchange, None
            exchange.on_client_gone()
            self.abort()
            return
        self._out.append(malformed_answer(error.status, error.message, self.context.date))
        self.body.complete = False  # whatever still comes is drained
        self._finish()

    # -- flow and end -----------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        out = self._out
        if out and self.transport is not None:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            self._out_size = 0
            self.transport.write(data)

    def hold_body(self) -> None:
        """Stop reading: the upstream is slower than the client, or enough is waiting."""
        if not self._paused and self.transport is not None and not self.transport.is_closing():
            self._paused = True
            self._held_at = self.context.now
            self.transport.pause_reading()

    def want_body(self) -> None:
        if self._paused and self.transport is not None and not self.transport.is_closing():
            self._paused = False
            self.held_seconds += self.context.now - self._held_at
            self.transport.resume_reading()

    def _finish(self) -> None:
        """The last answer is written: close, or drain what the client is still sending."""
        self._flush()
        self._buffer = b""
        if self.transport is None:
            return
        if self.body.complete or not self.transport.can_write_eof():
            self._state = CLOSED
            self.transport.close()
            return
        self._state = LINGERING
        self.want_body()
        self.transport.write_eof()
        self.deadline = self.context.now + LINGER_SECONDS
