"""One HTTP/1.1 connection: reads answers and hands each over whole. Sends nothing by itself, checks nothing.

The common answer (head in one piece, a length) is told by its head alone; httptools reads every other one. An answer is whole when its
length says so, or, without a length, when the connection closes (RFC 9112, 6.3). Bytes that nobody asked for, and heads that never end,
break the connection.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final, Protocol, cast

import httptools

from slipstream_loadtest.http.head import Head, Heads
from slipstream_loadtest.measured.tally import MALFORMED, RESET

MAX_HEAD: Final = 64 << 10
MAX_BODY: Final = 16 << 20  # as much of a body as is kept for checking it
_DELIMITED: Final = re.compile(rb"\r\n(?:content-length|transfer-encoding):", re.IGNORECASE)


class Owner(Protocol):
    """What a connection belongs to."""

    busy: bool

    def finished(self, head: Head, body: bytes | bytearray, reusable: bool) -> None: ...

    def began(self) -> None: ...

    def broken(self, connection: Connection, kind: str) -> None: ...


class Connection(asyncio.Protocol):
    """One connection. `wants_body`: somebody looks into bodies."""

    def __init__(self, heads: Heads, wants_body: bool) -> None:
        self.owner: Owner | None = None  # set while anybody's
        self.head_only = False
        self.closing = False
        self.transport: asyncio.Transport
        self.write: Callable[[bytes], None]
        self._heads = heads
        self._wants_body = wants_body
        self._head: Head | None = None  # of an answer of known length that isn't whole yet
        self._missing = 0
        self._body: bytes | bytearray = b""
        self._reader: Reader | None = None  # reads an answer that isn't common

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.write = self.transport.write

    def data_received(self, data: bytes) -> None:
        owner = self.owner
        if owner is None:
            return
        if not owner.busy:
            owner.broken(self, MALFORMED)  # an answer that nobody asked for
            return
        if self._head is not None:
            self._more(owner, data)
            return
        end = data.find(b"\r\n\r\n") + 4
        if self._reader is None and end > 3:
            raw = data[:end]
            head = self._heads.get(raw) or self._heads.read(raw)
            if head is not None:
                missing = end - len(data) if self.head_only else end + head.length - len(data)
                if missing == 0:
                    owner.finished(head, data[end:] if self._wants_body else b"", head.keeps)
                elif missing > 0:
                    self._head, self._missing = head, missing
                    self._body = bytearray(data[end:]) if self._wants_body else b""
                    owner.began()
                else:
                    owner.broken(self, MALFORMED)  # more bytes than one answer: whose they are can't be told
                return
        self._read(owner, data)

    def _more(self, owner: Owner, data: bytes) -> None:
        """More of an answer of known length."""
        self._missing -= len(data)
        if self._wants_body and len(self._body) < MAX_BODY:
            self._body += data
        if self._missing < 0:
            owner.broken(self, MALFORMED)
        elif self._missing == 0:
            head, body = self._head, self._body
            assert head is not None
            self._head, self._body = None, b""
            owner.finished(head, body, head.keeps)

    def _read(self, owner: Owner, data: bytes) -> None:
        """Something that httptools has to read."""
        reader = self._reader
        if reader is None:
            reader = self._reader = Reader(self.head_only)
        if not reader.feed(data):
            owner.broken(self, MALFORMED)
        elif reader.complete:
            self._hand_over(owner, reader)
        else:
            owner.began()

    def _hand_over(self, owner: Owner, reader: Reader) -> None:
        self._reader = None
        if reader.excess:
            owner.broken(self, MALFORMED)
        else:
            owner.finished(self._heads.of(reader.head, reader.status), reader.body, reader.keeps)

    def eof_received(self) -> None:
        self.closing = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        owner, reader = self.owner, self._reader
        if owner is None:
            return
        if exc is None and owner.busy and reader is not None and reader.ends_with_the_connection():
            reader.keeps = False
            self._hand_over(owner, reader)
            return
        owner.broken(self, RESET)


class Reader:
    """One answer, by httptools: its callbacks note what came."""

    def __init__(self, head_only: bool) -> None:
        self._head_only = head_only
        self._parser = httptools.HttpResponseParser(self)
        self._head_done = False
        self.head = b""
        self.body: bytes | bytearray = b""
        self.complete = False
        self.excess = False
        self.status = 0
        self.keeps = False

    def feed(self, data: bytes) -> bool:
        """False when it isn't HTTP, or the head too long."""
        if not self._head_done:
            self.head = self.head + data if self.head else data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return False
        if self.complete or self._head_done:
            return True
        if b"\r\n\r\n" not in self.head:
            return len(self.head) <= MAX_HEAD
        self._head_done = True
        if self._head_only:  # the parser waits for a body that a HEAD doesn't get
            self._note()
            self.complete = True
            self.excess = not self.head.endswith(b"\r\n\r\n")
        return True

    def ends_with_the_connection(self) -> bool:
        """RFC 9112, 6.3: an answer without a length and not chunked is whole when the connection closes."""
        if not self._head_done or _DELIMITED.search(self.head, 0, self.head.find(b"\r\n\r\n") + 2) is not None:
            return False
        self._note()
        return True

    def _note(self) -> None:
        self.status = self._parser.get_status_code()
        self.keeps = self._parser.should_keep_alive()

    def on_message_begin(self) -> None:
        self.excess = self.complete

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # interim: the answer is still to come
            self.head = self.head[self.head.find(b"\r\n\r\n") + 4 :]
            self._head_done = False
        elif not self.complete:
            self._note()
            self.complete = True

    def on_body(self, body: bytes) -> None:
        if self.complete:
            self.excess = True
        elif not self.body:
            self.body = body
        elif len(self.body) < MAX_BODY:
            if isinstance(self.body, bytes):
                self.body = bytearray(self.body)
            self.body += body
