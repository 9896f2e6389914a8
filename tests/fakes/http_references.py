"""Two other parsers, for the second opinion: h11 and llhttp (strict). Each says how many messages some bytes are, or that it refuses.

Always asked about the bytes of one message on a connection of its own, so that what came before can't excuse anything."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import h11
import httptools


class Reading(NamedTuple):
    """`complete`: messages that ended, 1xx not counted. `rest`: bytes behind the first one, -1 where the parser doesn't tell."""

    complete: int
    start: tuple[bytes, ...]
    body: bytes
    refused: str = ""
    rest: int = -1


class Reference(Protocol):
    name: str

    def requests(self, data: bytes) -> Reading: ...

    def answers(self, data: bytes, method: bytes, end: bool) -> Reading | None: ...


class H11:
    name = "h11"

    def requests(self, data: bytes) -> Reading:
        return self._read(h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20), data, False)

    def answers(self, data: bytes, method: bytes, end: bool) -> Reading | None:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        connection.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"a")]))
        connection.send(h11.EndOfMessage())
        return self._read(connection, data, end)

    def _read(self, connection: h11.Connection, data: bytes, end: bool) -> Reading:
        start: tuple[bytes, ...] = ()
        body = b""
        try:
            connection.receive_data(data)
            if end:
                connection.receive_data(b"")
            while True:
                event = connection.next_event()
                if isinstance(event, h11.Request):
                    start = (event.method, event.target)
                elif isinstance(event, h11.Response):
                    start = (b"%d" % event.status_code,)
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    return Reading(1, start, body, "", len(connection.trailing_data[0]))
                elif not isinstance(event, h11.InformationalResponse):
                    return Reading(0, start, body)
        except h11.RemoteProtocolError as error:
            return Reading(0, start, body, str(error) or "refused")


class Llhttp:
    name = "llhttp"

    def requests(self, data: bytes) -> Reading:
        heard = _Heard()
        parser = httptools.HttpRequestParser(heard)
        refused = _feed(parser, data)
        start = (parser.get_method(), heard.url) if heard.complete or heard.headers else ()
        return Reading(heard.complete, start, heard.body, refused)

    def answers(self, data: bytes, method: bytes, end: bool) -> Reading | None:
        if method == b"HEAD":
            return None  # its binding can't be told that no body follows
        heard = _Heard()
        heard.parser = parser = httptools.HttpResponseParser(heard)
        refused = _feed(parser, data)
        return Reading(heard.complete, (b"%d" % heard.status,) if heard.status else (), heard.body, refused)


class _Heard:
    """What llhttp calls back with."""

    def __init__(self) -> None:
        self.parser: Any = None
        self.url = b""
        self.body = b""
        self.complete = 0
        self.headers = False
        self.status = 0
        self._interim = False

    def on_url(self, url: bytes) -> None:
        if not self.headers:
            self.url += url

    def on_headers_complete(self) -> None:
        self.headers = True
        if self.parser is not None:
            status = self.parser.get_status_code()
            self._interim = status < 200
            if not self._interim and not self.complete:
                self.status = status

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self.body += data

    def on_message_complete(self) -> None:
        if not self._interim:
            self.complete += 1


def _feed(parser: Any, data: bytes) -> str:
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return ""
    except httptools.HttpParserError as error:
        return str(error) or type(error).__name__
    return ""


REFERENCES: tuple[Reference, ...] = (H11(), Llhttp())
