"""The scanner in force beside llhttp, on mutated heads: what both take they read alike, and every disagreement is decided here.

Runs on both scanners (`make test`, `make test-compiled`). The end of bodies is compared in tests/property/test_http_differential.py."""

from __future__ import annotations

import random
from typing import Any, Final

import httptools
import pytest

from slipstream_runtime.http.answer_scanner import AnswerScanner
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.heads import Limits, head_end
from slipstream_runtime.http.request_scanner import RequestScanner

# What we refuse and llhttp takes, by our message, and why. A disagreement that isn't here fails the test.
WE_REFUSE: Final = {
    "not exactly one Host": "RFC 9112 §3.2 asks for 400; llhttp leaves Host to its user",
    "Host isn't a host name": "as above: a path or user in Host is read differently by different servers",
    "the version isn't HTTP/1.1 or HTTP/1.0": "llhttp also takes 0.9 and 2.0",
    "the request line isn't `method target version`": "llhttp takes a line without a version, as HTTP/0.9",
    "the method isn't a token": "llhttp skips a CR before the request line",
    "the request target isn't a path": "llhttp leaves the form of the target to its user",
    "the request target has a character that must be percent-encoded": "llhttp takes fragments and octets above 0x7F",
    "the authority of the request target isn't a host name": "user information is deprecated (RFC 9110 §4.2.4)",
    "Connection isn't a list of names": "llhttp looks for the options that it knows and skips the rest",
    "Content-Length isn't one decimal number": "llhttp takes 19 and 20 digits, we stop at 18",
    "a Transfer-Encoding other than chunked": "llhttp knows that chunked is last; we would have to undo the others",
    "Transfer-Encoding in an HTTP/1.0 message": "RFC 9112 §6.1: its framing is faulty",
    "more than one of Content-Length and Transfer-Encoding": "llhttp takes repeated Transfer-Encoding as one list",
    "an Expect other than 100-continue": "RFC 9110 §10.1.1 lets a server answer 417",
    "the answer's status line isn't `version status reason`": "llhttp takes any three digits and controls in the reason",
    "the answer isn't HTTP/1.1 or HTTP/1.0": "llhttp also takes 0.9 and 2.0",
}
# What we take and llhttp refuses, by its message.
LLHTTP_REFUSES: Final = {
    "Invalid method encountered": "we take any token, and forward it: a method's meaning is the upstream's",
    "Expected space after method": "as above, where the token begins like a known method",
}
STARTS = [
    b"GET / HTTP/1.1",
    b"POST /a?b=c HTTP/1.1",
    b"GET http://a/b HTTP/1.1",
    b"PUT /x HTTP/1.0",
    b"OPTIONS * HTTP/1.1",
    b"GET /a#b HTTP/1.1",
    b"GET / HTTP/2.0",
    b"GET http://u@a/ HTTP/1.1",
]
STATUSES = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 404 Not Found",
    b"HTTP/1.0 200 OK",
    b"HTTP/1.1 304 Not Modified",
    b"HTTP/1.1 999 What",
    b"HTTP/2.0 200 OK",
]
LINES = [
    b"Accept: */*", b"X-A:1", b"X-B:  b \t", b"X:", b"X: \xe9", b"Content-Length: 5", b"Content-Length: 05",
    b"Content-Length: 9999999999999999999",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Connection: close", b"Connection: keep-alive, X-A",
    b"Connection: a b", b"Keep-Alive: 5", b"Expect: 100-continue", b"Expect: x", b"Host: a", b"Host: u@a", b"X : y", b" folded", b"X: \x01",
]  # fmt: skip
OCTETS = [bytes([octet]) for octet in (0, 1, 9, 10, 11, 13, 32, *b'"#,/:;=@[\\]0A_a{|}', 127, 128, 255)]


class Seen:
    """What llhttp tells."""

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.complete:
            self.fields.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.complete = True


def theirs(parser_of: Any, block: bytes) -> tuple[Any, Seen, str]:
    seen = Seen()
    parser = parser_of(seen)
    try:
        parser.feed_data(block + b"\r\n\r\n")
    except httptools.HttpParserUpgrade:
        return parser, seen, ""
    except httptools.HttpParserError as error:
        return parser, seen, "" if seen.complete else str(error) or type(error).__name__
    return parser, seen, "" if seen.complete else "incomplete"


def ours(scan: Any, block: bytes) -> tuple[Any, str]:
    try:
        end = head_end(block + b"\r\n\r\n", 0, 0, Limits())
        if end != len(block):
            return None, "another head"  # an empty line within: its remains aren't this head
        return scan(block), ""
    except MalformedError as error:
        return None, error.message


def mutated(source: random.Random, starts: list[bytes], host: bool) -> bytes:
    lines = [source.choice(starts), *([b"Host: a"] if host else []), *source.choices(LINES, k=source.randrange(0, 4))]
    block = b"\r\n".join(lines)
    for _ in range(source.choice((0, 1, 1, 2))):
        at = source.randrange(len(block) + 1)
        block = block[:at] + source.choice([*OCTETS, b""]) + block[at + source.randrange(2) :]
    return block


def disagreement(answer: bool, block: bytes) -> str:
    """Empty where both sides agree; else the message of the one that refuses. Asserts that what both take reads alike."""
    scanner = AnswerScanner() if answer else RequestScanner()
    head, why = ours((lambda block: scanner.scan(block, b"GET")) if answer else scanner.scan, block)
    if why == "another head":
        return ""
    parser, seen, refused = theirs(httptools.HttpResponseParser if answer else httptools.HttpRequestParser, block)
    if head is None:
        return "" if refused else "we: " + why
    if refused:
        return "llhttp: " + refused
    assert parser.get_status_code() == head.status if answer else parser.get_method() == head.method
    fields = iter(seen.fields)
    hosted = not answer and head.line.authority
    for field in head.fields[1:] if hosted else head.fields:  # what goes on is what llhttp saw, in its order
        assert (field.name, field.value) in fields, (field.name, field.value)
    return ""


@pytest.mark.parametrize("answer", [False, True], ids=["requests", "answers"])
def test_every_disagreement_with_llhttp_is_decided(answer: bool) -> None:
    """Six thousand heads of each kind, the same in each run."""
    source = random.Random(7)
    decided = {"we: " + message for message in WE_REFUSE}
    found: dict[str, bytes] = {}
    for _ in range(6_000):
        block = mutated(source, STATUSES if answer else STARTS, source.random() < 0.9 and not answer)
        what = disagreement(answer, block)
        if what and what not in decided and not any(message in what for message in LLHTTP_REFUSES if what.startswith("llhttp: ")):
            found[what] = block
    assert found == {}


def test_each_decision_is_needed() -> None:
    """Negative control: a row that no head reaches would hide the day llhttp, or we, change."""
    source = random.Random(11)
    reached = set()
    for at in range(15_000):
        answer = at % 3 == 0
        reached.add(disagreement(answer, mutated(source, STATUSES if answer else STARTS, source.random() < 0.9 and not answer)))
    missing = [message for message in WE_REFUSE if "we: " + message not in reached]
    missing += [message for message in LLHTTP_REFUSES if not any(message in what for what in reached if what.startswith("llhttp: "))]
    assert missing == []
