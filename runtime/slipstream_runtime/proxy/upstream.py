"""One connection to an upstream: one request at a time, its answer parsed strictly. Never pipelines, and never outlives an unread byte."""

from __future__ import annotations

import asyncio
from typing import Final

from slipstream_runtime.cores.pool import Slot
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.answer_scanner import AnswerScanner
from slipstream_runtime.http.body import BodyReader
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.proxy.failures import INCOMPLETE, MALFORMED, RESET
from slipstream_runtime.proxy.parties import Call, Owner

MAX_INTERIM: Final = 32  # more 1xx before an answer are an attack, not progress


class UpstreamConnection:
    """An asyncio protocol (duck-typed, so that it compiles)."""

    __slots__ = (
        "_awaiting_head",
        "_body",
        "_buffer",
        "_interim",
        "_method",
        "_owner",
        "_request_sent",
        "_reusable",
        "_scanner",
        "_sink",
        "address",
        "closed",
        "opening",
        "served",
        "slot",
        "transport",
    )

    def __init__(self, owner: Owner, scanner: AnswerScanner) -> None:
        self._owner = owner
        self._scanner = scanner
        self._sink: Call | None = None
        self._method = b""
        self._buffer = b""
        self._body = BodyReader()
        self._awaiting_head = False
        self._interim = 0
        self._request_sent = True
        self._reusable = True
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self.address = ""  # where it leads, once it is counted there
        self.slot: Slot[UpstreamConnection] | None = None  # its place in the pool, once it has one
        self.served = 0
        self.opening = 0.0  # seconds that it took to open it

    # -- what the exchange asks -------------------------------------------------------------------------------------------

    def start(self, sink: Call, method: bytes, data: bytes, request_complete: bool, binds: bool = False) -> None:
        """Send a request's head (and what there is of its body); the answer goes to `sink`. `binds`: it authenticates the connection,
        which therefore is closed after it."""
        transport = self.transport
        assert self._sink is None
        assert transport is not None
        self._sink = sink
        self._method = method
        self._awaiting_head = True
        self._interim = 0
        self._request_sent = request_complete
        self._reusable = not binds
        self.served += 1
        transport.write(data)

    def send(self, data: bytes, request_complete: bool) -> None:
        """More of the request's body."""
        self._request_sent = request_complete
        if data and self.transport is not None:
            self.transport.write(data)

    def pause(self) -> None:
        if self.transport is not None and not self.closed:
            self.transport.pause_reading()

    def resume(self) -> None:
        if self.transport is not None and not self.closed:
            self.transport.resume_reading()

    def abandon(self) -> None:
        """Nobody wants the answer any more: a connection with an unread reply is closed, never returned."""
        self._sink = None
        self.close()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            if self.transport is not None:
                self.transport.abort()
            self._owner.lost(self)

    def detach(self) -> asyncio.Transport:
        """The raw transport after a 101; the pool still counts the connection until close()."""
        assert self.transport is not None
        self._sink = None
        return self.transport

    # -- what asyncio tells -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._ended(clean=error is None)

    def eof_received(self) -> bool:
        self._ended(clean=True)
        return False

    def pause_writing(self) -> None:
        if self._sink is not None:
            self._sink.on_upstream_writable(False)

    def resume_writing(self) -> None:
        if self._sink is not None:
            self._sink.on_upstream_writable(True)

    def data_received(self, data: bytes) -> None:
        sink = self._sink
        if sink is None:  # an answer that nobody asked for: whatever follows can't be told apart from the next one
            self.close()
            return
        try:
            if self._awaiting_head:
                self._head_received(sink, data)
            else:
                self._body_received(sink, data)
        except MalformedError:
            self._sink = None
            self.close()
            sink.on_failure(MALFORMED, False)

    # -- parsing ----------------------------------------------------------------------------------------------------------

    def _head_received(self, sink: Call, data: bytes) -> None:
        seen = 0
        if self._buffer:
            seen = len(self._buffer)
            data = self._buffer + data
            self._buffer = b""
        head, start = self._scanner.take(data, 0, seen, self._method)
        if head is None or head.status < 200:
            head, start = self._before(sink, data, head, start)
            if head is None:
                return
        if not head.keep_alive:
            self._reusable = False
        self._awaiting_head = False
        if head.body == len(data) - start:  # all of it is here, as of most answers: nothing to keep count of
            body, complete = data[start:], True
        else:
            self._body.begin(head.body)
            body = self._take(data, start) if start < len(data) else b""
            complete = self._body.complete
        if complete:
            self._finish()
        sink.on_answer(head, body, complete)

    def _before(self, sink: Call, data: bytes, head: AnswerHead | None, after: int) -> tuple[AnswerHead | None, int]:
        """What isn't an answer yet: the head of one that comes behind it in `data`, and the index after that; None where it isn't there."""
        start = 0
        while head is not None:
            start = after
            if head.status >= 200:
                return head, start
            if head.status == 101:
                sink.on_switch(head, data[start:])
                return None, -1
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise MalformedError(502, "too many interim answers")
            sink.on_interim(head)
            head, after = self._scanner.take(data, start, 0, self._method)
        self._buffer = data[start:] if start else data
        return None, -1

    def _body_received(self, sink: Call, data: bytes) -> None:
        body = self._take(data, 0)
        complete = self._body.complete
        if complete:
            self._finish()
        if body or complete:
            sink.on_body(body, complete)

    def _take(self, data: bytes, start: int) -> bytes:
        """The body bytes in data[start:]; bytes beyond its end make the connection useless."""
        body, after = self._body.take(data, start)
        if after < len(data):
            self._reusable = False
        return body

    def _finish(self) -> None:
        """The answer is complete: back to the pool before the sink hears of it, so that its next request finds the connection."""
        self._sink = None
        if self._reusable and self._request_sent and not self.closed:
            self._owner.released(self)
        else:
            self.close()

    def _ended(self, clean: bool) -> None:
        sink, self._sink = self._sink, None
        untouched = self._awaiting_head and not self._buffer and not self._interim and self.served > 1
        self.close()
        if sink is None:
            return
        if clean and not self._awaiting_head and self._body.ends_with_connection:
            sink.on_body(b"", True)
        else:
            sink.on_failure(RESET if self._awaiting_head else INCOMPLETE, untouched)
