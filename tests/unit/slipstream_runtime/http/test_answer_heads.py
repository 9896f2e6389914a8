"""What an upstream's answer must look like to be sent on, where it ends, and what the client gets."""

from __future__ import annotations

import pytest

from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.answer_scanner import AnswerScanner
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.forward import connection_line, forwarded_answer, needs_chunks, switching
from slipstream_runtime.http.framing import CHUNKED, NO_BODY, UNTIL_CLOSE
from slipstream_runtime.http.layout import MAX_LAYOUTS


def scan(text: str, method: bytes = b"GET") -> AnswerHead:
    return AnswerScanner().scan(text.encode("latin-1").removesuffix(b"\r\n\r\n"), method)


@pytest.mark.parametrize(
    "text",
    [
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 No\r\n\r\n",
        "HTTP/1.1 600 No\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 200 O\x00K\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
    ],
)
def test_an_answer_whose_end_is_in_doubt_is_refused(text: str) -> None:
    """The client gets 502 instead of another request's bytes."""
    with pytest.raises(MalformedError):
        scan(text)


def test_a_reason_may_be_empty_or_missing() -> None:
    """Negative control: what servers really send is taken."""
    for text in ("HTTP/1.1 200 \r\n\r\n", "HTTP/1.1 200\r\n\r\n", "HTTP/1.1 404 Not Found\r\n\r\n"):
        assert scan(text).status in (200, 404)


def test_a_head_that_comes_in_pieces_is_taken_once_it_is_there() -> None:
    """Cut anywhere, behind another answer; what was searched before isn't searched again."""
    before, head = b"HTTP/1.1 204 No\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\n"
    scanner = AnswerScanner()
    for cut in range(len(head)):
        data = before + head[:cut]
        assert scanner.take(data, len(before), 0, b"GET") == (None, -1)
        taken, after = scanner.take(before + head + b"hello", len(before), len(data), b"GET")
        assert taken is not None
        assert (taken.body, taken.value(b"x-a"), after) == (5, b"b", len(before + head))


def test_where_an_answer_ends() -> None:
    """RFC 9112 §6.3, in its order."""
    assert scan("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").body == 5
    assert scan("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").body == CHUNKED
    assert scan("HTTP/1.1 200 OK\r\n\r\n").body == UNTIL_CLOSE
    assert scan("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"HEAD").body == NO_BODY
    assert scan("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"HEAD").body == NO_BODY
    assert scan("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n").body == NO_BODY
    assert scan("HTTP/1.1 204 No Content\r\n\r\n").body == NO_BODY
    assert scan("HTTP/1.1 100 Continue\r\n\r\n").body == NO_BODY


def test_a_connection_that_ends_with_its_body_is_not_reused() -> None:
    """Nor one whose upstream says close or speaks HTTP/1.0."""
    assert scan("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").keep_alive
    assert not scan("HTTP/1.1 200 OK\r\n\r\n").keep_alive
    assert not scan("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n").keep_alive
    assert not scan("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n").keep_alive
    assert scan("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n").keep_alive


def test_an_answer_is_sent_on_without_what_belongs_to_the_other_hop() -> None:
    """Hop-by-hop fields are dropped, ours are added, framing is ours."""
    head = scan("HTTP/1.0 200 Fine\r\nConnection: keep-alive, X-P\r\nX-P: 1\r\nKeep-Alive: 5\r\nA: b\r\nContent-Length: 3\r\n\r\n")
    assert forwarded_answer(head, b"\r\nAge: 1", b"\r\nConnection: close", False) == (
        b"HTTP/1.1 200 Fine\r\nA: b\r\nContent-Length: 3\r\nAge: 1\r\nConnection: close\r\n\r\n"
    )
    chunked = scan("HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n")
    assert forwarded_answer(chunked, b"", b"", True) == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_204_carries_no_length() -> None:
    """RFC 9110 §8.6."""
    assert (
        forwarded_answer(scan("HTTP/1.1 204 No\r\nContent-Length: 0\r\nA: b\r\n\r\n"), b"", b"", False)
        == b"HTTP/1.1 204 No\r\nA: b\r\n\r\n"
    )


def test_head_and_304_keep_the_length_they_describe() -> None:
    """It says what GET would have sent."""
    assert b"Content-Length: 5" in forwarded_answer(scan("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"HEAD"), b"", b"", False)


def test_a_body_of_unknown_length_is_chunked_only_for_who_can_read_it() -> None:
    """HTTP/1.0 gets it until close."""
    assert needs_chunks(UNTIL_CLOSE, True)
    assert needs_chunks(CHUNKED, True)
    assert not needs_chunks(CHUNKED, False)
    assert not needs_chunks(5, True)
    assert connection_line(False, True) == b"\r\nConnection: keep-alive"
    assert connection_line(True, True) == b""
    assert connection_line(True, False) == b"\r\nConnection: close"


def test_a_101_names_the_protocol() -> None:
    """What comes after it isn't HTTP any more."""
    head = scan("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
    assert switching(head) == (
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )


def taken(scanner: AnswerScanner, block: bytes, method: bytes = b"GET") -> AnswerHead:
    head, after = scanner.take(block + b"\r\n\r\n", 0, 0, method)
    assert head is not None
    assert after == len(block) + 4
    return head


def test_a_head_that_comes_again_is_the_same_one() -> None:
    """Where no line of it needs to be read, none is."""
    scanner = AnswerScanner(scan=None)
    block = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: keep-alive\r\nContent-Length: 5"
    head = taken(scanner, block)
    assert taken(scanner, block) is head
    assert taken(scanner, block + b"0").body == 50
    assert taken(scanner, block, b"HEAD").body == NO_BODY
    assert taken(scanner, block) is head


@pytest.mark.parametrize("line", [b"Cache-Control: max-age=9", b"Expires: Sun, 06 Nov 1994 09:00:00 GMT"])
def test_answers_are_laid_out_alike_in_the_next_second(line: bytes) -> None:
    """A layout with a Date as a fixed line would be of use for a second, and another one would be learnt only REST heads later."""
    scanner = AnswerScanner(scan=None)
    heads = []
    for second in range(3 * MAX_LAYOUTS):
        date = b"Sun, 06 Nov 1994 08:00:%02d GMT" % second
        head = taken(scanner, b"HTTP/1.1 200 OK\r\nDate: %b\r\nConnection: keep-alive\r\n%b\r\nContent-Length: 1" % (date, line))
        assert head.block == b"HTTP/1.1 200 OK\r\nDate: %b\r\n%b\r\nContent-Length: 1" % (date, line)
        assert taken(scanner, b"HTTP/1.1 200 OK\r\nDate: %b\r\nConnection: keep-alive\r\n%b\r\nContent-Length: 1" % (date, line)) is head
        heads.append(head)
    assert len(scanner._layouts._recent) == 1
    dates = [[field.value for field in head.told.lines if field.name == b"date"] for head in heads[1:]]
    if line.startswith(b"Expires"):  # counts from the Date
        assert dates == [[b"Sun, 06 Nov 1994 08:00:%02d GMT" % second] for second in range(1, len(heads))]
    else:
        assert len({id(head.told) for head in heads[1:]}) == 1
    long = b"HTTP/1.1 200 OK\r\nDate: %b\r\nConnection: keep-alive\r\n%b\r\nContent-Length: 1" % (b"x" * 65, line)
    assert taken(scanner, long) is not taken(scanner, long)
    assert scanner._layouts.usual.whole is heads[-1]


def test_a_head_with_an_identity_is_read_each_time() -> None:
    """What is remembered is shared by all callers: no credential stays in it, nor what is too much to keep."""
    scanner = AnswerScanner(scan=None)
    for line in (b"Set-Cookie: a=b", b"X-Long: " + b"x" * 300):
        block = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + line
        assert taken(scanner, block) is not taken(scanner, block)
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 5" + b"".join(b"\r\nX-%d: %b" % (n, b"x" * 200) for n in range(24))
    assert taken(scanner, long) is not taken(scanner, long)
