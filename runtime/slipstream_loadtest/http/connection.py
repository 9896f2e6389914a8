"""One HTTP/1.1 connection of a user: reads answers with httptools and hands each over whole. Sends nothing by itself, checks nothing.

An answer is whole when its length says so, or, without a length, when the connection closes (RFC 9112, 6.3). Bytes that nobody asked for,
and heads that never end, break the connection.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final, Protocol, cast

import httptools

from slipstream_loadtest.measured.tally import MALFORMED, RESET

MAX_HEAD: Final = 64 << 10
MAX_BODY: Final = 16 << 20  # as much of a body as is kept for checking it
_DELIMITED: Final = re.compile(rb"\r\n(?:content-length|transfer-encoding):", re.IGNORECASE)


class Owner(Protocol):
    """The channel that a connection belongs to."""

    busy: bool

    def finished(self, status: int, head: bytes, body: bytes | bytearray, reusable: bool, excess: bool) -> None: ...

    def broken(self, connection: Connection, kind: str) -> None: ...


class Connection(asyncio.Protocol):
    """One connection: the parser's callbacks note what came, data_received hands on a whole answer."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.channel: Owner | None = None  # set while it is the connection of a channel
        self.head_only = False
        self._parser = httptools.HttpResponseParser(self)
        self._head = b""
        self._head_done = False
        self._complete = False
        self._keeps = False
        self._status = 0
        self._excess = False
        self._body: bytes | bytearray = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        channel = self.channel
        if channel is None:
            return
        if not channel.busy:
            channel.broken(self, MALFORMED)  # an answer that nobody asked for
            return
        if not self._head_done:
            self._head = self._head + data if self._head else data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            channel.broken(self, MALFORMED)
            return
        if self._complete:
            self._hand_over(channel)
        elif not self._head_done:
            self._look_at_head(channel)

    def _look_at_head(self, channel: Owner) -> None:
        """The answer isn't whole yet: that may be all there is of it, or too much."""
        if b"\r\n\r\n" in self._head:
            self._head_done = True
            if self.head_only:
                self._note()
                self._parser = httptools.HttpResponseParser(self)  # the old one waits for a body that a HEAD doesn't get
                self._hand_over(channel)
        elif len(self._head) > MAX_HEAD:
            channel.broken(self, MALFORMED)

    def _hand_over(self, channel: Owner) -> None:
        head, body, excess = self._head, self._body, self._excess
        self._head = self._body = b""
        self._head_done = self._complete = self._excess = False
        channel.finished(self._status, head, body, self._keeps and not excess, excess)

    def connection_lost(self, exc: Exception | None) -> None:
        channel = self.channel
        if channel is None:
            return
        if exc is None and channel.busy and self._ends_with_the_connection():
            self._note()
            self._keeps = False
            self._hand_over(channel)
            return
        channel.broken(self, RESET)

    def _ends_with_the_connection(self) -> bool:
        """RFC 9112, 6.3: an answer without a length and not chunked is whole when the connection closes."""
        return self._head_done and _DELIMITED.search(self._head, 0, self._head.find(b"\r\n\r\n") + 2) is None

    def _note(self) -> None:
        """What the parser forgets with the message."""
        self._status = self._parser.get_status_code()
        self._keeps = self._parser.should_keep_alive()

    def on_message_begin(self) -> None:
        if self._complete:
            self._excess = True

    def on_message_complete(self) -> None:
        parser = self._parser
        self._status = status = parser.get_status_code()
        if status < 200:  # interim: the answer is still to come
            self._head = self._head[self._head.find(b"\r\n\r\n") + 4 :]
            self._head_done = False
        else:
            self._keeps = parser.should_keep_alive()
            self._complete = True


class BodyConnection(Connection):
    """The same where a step of the plan looks into bodies."""

    def on_body(self, body: bytes) -> None:
        if not self._body:
            self._body = body
        elif len(self._body) < MAX_BODY:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body
