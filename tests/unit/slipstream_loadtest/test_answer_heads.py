"""Heads read at once: only what leaves no question, and then exactly what httptools reads in it."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstream_loadtest.http.head import Head, Heads


def read(text: str) -> Head | None:
    return Heads().read(text.replace("\n", "\r\n").encode("latin-1"))


def test_a_common_head_is_read():
    """Status, length, whether the connection stays, and what the cache nearest to the caller did."""
    head = read("HTTP/1.1 200 OK\nContent-Type: text/plain\nCONTENT-LENGTH:  12 \ncache-status: a; hit, b; fwd=uri-miss\nX-A:\n\n")
    assert head is not None
    assert (head.status, head.length, head.keeps, head.cache) == (200, 12, True, "fwd=uri-miss")
    assert head.header(b"x-a") == [b""]
    assert head.header(b"content-type") == [b"text/plain"]
    assert head.header(b"missing") == []


def test_a_connection_that_closes_does_not_stay():
    """By the answer's own word."""
    head = read("HTTP/1.1 404 Not Found\nConnection: Close\nContent-Length: 0\n\n")
    assert head is not None
    assert (head.status, head.keeps) == (404, False)


@pytest.mark.parametrize(
    "text",
    [
        "HTTP/1.0 200 OK\nContent-Length: 1\n\n",
        "HTTP/1.1 100 Continue\nContent-Length: 0\n\n",
        "HTTP/1.1 204 No Content\nContent-Length: 0\n\n",
        "HTTP/1.1 304 Not Modified\nContent-Length: 5\n\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Length: 5\n\n",
        "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 6\n\n",
        "HTTP/1.1 200 OK\nContent-Length: +5\n\n",
        "HTTP/1.1 200 OK\nContent-Length: 5, 5\n\n",
        "HTTP/1.1 200 OK\nContent-Length: 99999999999\n\n",
        "HTTP/1.1 200 OK\nContent-Length : 5\n\n",
        "HTTP/1.1 200 OK\nA: b\n folded\nContent-Length: 5\n\n",
        "HTTP/1.1 200 OK\nConnection: upgrade\nContent-Length: 5\n\n",
        "HTTP/1.1 200 OK\nno colon\nContent-Length: 5\n\n",
        "HTTP/1.1 200 OK\nA: \0\nContent-Length: 5\n\n",
        "garbage\n\n",
        "\n\n",
    ],
)
def test_whatever_leaves_a_question_is_left_to_httptools(text: str):
    """No guess, neither the first time nor when it is seen again."""
    heads = Heads()
    raw = text.replace("\n", "\r\n").encode("latin-1")
    assert heads.read(raw) is None
    assert heads.get(raw) is None
    assert heads.read(raw) is None


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 5\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 5\r\n\r\n"]
)
def test_bare_line_ends_are_a_question(raw: bytes):
    """Some take a lone LF or CR for the end of a line, others don't."""
    assert Heads().read(raw) is None


def test_a_head_is_remembered_and_the_memory_is_bounded():
    """The same object again; ten thousand different ones leave about a thousand."""
    heads = Heads()
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    assert heads.read(raw) is heads.get(raw)
    for n in range(10_000):
        heads.read(b"HTTP/1.1 200 OK\r\nX-Id: %d\r\nContent-Length: 5\r\n\r\n" % n)
    assert len(heads._seen) <= 1024


NAMES = st.sampled_from(["Content-Length", "content-length", "Connection", "X-A", "Transfer-Encoding", "Server", "Cache-Status", "X A", ""])
VALUES = st.sampled_from(["5", "0", "close", "keep-alive", "chunked", "a b", "", "s; hit", "5 5", "\t7", "upgrade", "a\nb"])


class _Seen:
    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.complete = self.keeps = False

    def on_message_complete(self) -> None:
        self.complete = True
        self.keeps = self.parser.should_keep_alive()  # forgotten afterwards


@given(st.sampled_from(["200 OK", "404", "503 x", "100 Continue", "304 no", "999 ?"]), st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_what_is_read_is_what_httptools_reads(status: str, lines: list[tuple[str, str]]):
    """Any head that is taken for common: the same status, and whole after exactly its length, on a connection that stays or doesn't."""
    raw = "".join([f"HTTP/1.1 {status}\r\n", *(f"{name}: {value}\r\n" for name, value in lines), "\r\n"]).encode()
    head = Heads().read(raw)
    if head is None:
        return
    seen = _Seen()
    parser = seen.parser
    parser.feed_data(raw + b"x" * max(0, head.length - 1))
    assert seen.complete == (head.length == 0)
    if head.length:
        parser.feed_data(b"x")
    assert seen.complete
    assert parser.get_status_code() == head.status
    assert seen.keeps == head.keeps
