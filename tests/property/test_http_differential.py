"""What we let through, llhttp (strict) reads the same way: same method, target, fields, and the same end of the message.

The other direction isn't asked: we refuse more. Decided disagreements: llhttp knows a list of methods, we take any token."""

from __future__ import annotations

from typing import Any

import httptools
from hypothesis import example, given
from hypothesis import strategies as st

from slipstream_runtime.http.body import BodyReader
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.heads import Limits, head_end
from slipstream_runtime.http.request_scanner import RequestScanner

LINES = st.sampled_from(
    [
        b"Host: a",
        b"Content-Length: 5",
        b"Content-Length:5 ",
        b"Content-Length: 05",
        b"Content-Length: 0",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: CHUNKED ",
        b"Transfer-Encoding: gzip, chunked",
        b"Connection: close",
        b"Connection: x, keep-alive",
        b"X: \xe9",
        b"X:",
        b"Accept: */*",
        b" folded",
        b"X : y",
        b"X: a\x00b",
        b"X: a\rb",
    ]
)
BODIES = st.sampled_from(
    [b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"5;x=y\r\nhello\r\n0\r\nT: u\r\n\r\n", b"0\r\n\r\n", b"05\r\nhello\r\n0\r\n\r\n"]
)
STARTS = st.sampled_from(
    [b"GET / HTTP/1.1", b"POST /a?b=c HTTP/1.1", b"GET http://a/b HTTP/1.1", b"PUT /x HTTP/1.0", b"GET  / HTTP/1.1", b"G / HTTP/1.1"]
)
MUTATIONS = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from([b"", b"\r", b"\n", b" ", b"\t", b"\x00", b":", b"0", b"\x0b", b",", b";"])), max_size=2
)
TAIL = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


@st.composite
def messages(draw: Any) -> bytes:
    lines = [draw(STARTS), b"Host: a", *draw(st.lists(LINES, max_size=4))]
    message = b"\r\n".join(lines) + b"\r\n\r\n" + draw(BODIES) + TAIL
    for at, octet in draw(MUTATIONS):
        at = at % len(message)
        message = message[:at] + octet + message[at + len(octet) :] if draw(st.booleans()) else message[:at] + octet + message[at:]
    return message


class Reference:
    """The first message as llhttp sees it, and how many there are."""

    def __init__(self) -> None:
        self.urls: list[bytes] = []
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.complete = 0

    def on_url(self, url: bytes) -> None:
        self.urls.append(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.complete and len(self.urls) == 1:
            self.fields.append((name.lower(), value.rstrip(b" \t")))

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self.body += data

    def on_message_complete(self) -> None:
        self.complete += 1


def ours(message: bytes) -> tuple[bytes, bytes, bytes, bool] | None:
    """Method, body, what is left and whether the body is complete; None where we refuse."""
    try:
        end = head_end(message, 0, 0, Limits())
        if end < 0:
            return None
        head = RequestScanner().scan(message[:end])
        reader = BodyReader()
        reader.begin(head.body)
        body, at = reader.take(message, end + 4) if head.body else (b"", end + 4)
    except MalformedError:
        return None
    return head.method, body, message[at:], reader.complete


@given(messages())
@example(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + TAIL)
@example(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + TAIL)
def test_whatever_we_accept_ends_where_llhttp_says(message: bytes) -> None:
    """A disagreement about the end of a message is a smuggled request."""
    found = ours(message)
    if found is None:
        return
    method, body, rest, complete = found
    reference = Reference()
    parser = httptools.HttpRequestParser(reference)
    try:
        parser.feed_data(message[: len(message) - len(rest)])
    except httptools.HttpParserInvalidMethodError:
        return
    assert parser.get_method() == method
    assert reference.body == body
    assert (reference.complete == 1) == complete
    assert len(reference.urls) == 1


def test_the_comparison_can_fail() -> None:
    """Negative control: a length that only one side believes is seen."""
    reference = Reference()
    httptools.HttpRequestParser(reference).feed_data(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
    assert (reference.body, reference.complete) == (b"hel", 0)
