"""The scanner in C against the one in Python: the same head or the same refusal, of requests and answers, and the same cache key."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slipstream_runtime.cores.freshness import Told
from slipstream_runtime.http.answer_scanner import AnswerScanner
from slipstream_runtime.http.fields import NAMES
from slipstream_runtime.http.heads import Limits
from slipstream_runtime.http.request_scanner import RequestScanner
from slipstream_runtime.http.scanner import FIND_HEAD, NAMES_TABLE, SCAN
from tests.fakes.scanned import (
    ANSWERS,
    LIMITS,
    LINES,
    REQUESTS,
    STARTS,
    STATUSES,
    both,
    compare,
    compare_taken,
    mutated,
    outcome,
    request_facts,
)

assert SCAN is not None, "the scanner in C isn't built: `make test-compiled` builds it and runs these"


@pytest.mark.parametrize("seed", range(8))
def test_mutated_heads_are_read_alike(seed: int) -> None:
    """Three thousand heads in all from each kind of line that means something, good ones among them."""
    source = random.Random(seed)
    for _ in range(400):
        compare(mutated(source))


@given(st.binary(max_size=200))
@example(b"")
@example(b"GET / HTTP/1.1")
@example(b"GET / HTTP/1.1\r\n")
@example(b"\r\nHost: a")
def test_any_octets_are_read_alike(block: bytes) -> None:
    """No head at all, mostly."""
    compare(block)


@pytest.mark.parametrize("seed", range(4))
def test_heads_are_found_alike(seed: int) -> None:
    """Of messages behind one another, cut anywhere, with any part of them searched before."""
    source = random.Random(seed)
    for _ in range(300):
        data = b"".join(mutated(source) + b"\r\n\r\n" for _ in range(2))
        data = data[: source.choice((len(data), source.randrange(len(data) + 1)))]
        start = source.choice((0, 0, source.randrange(len(data) + 1)))
        seen = source.choice((0, start, source.randrange(len(data) + 2)))
        compare_taken(data, start, seen if data.find(b"\r\n\r\n", start, seen) < 0 else 0)  # it would have been found


def test_a_head_that_is_too_long_is_refused_alike_and_one_octet_less_is_not() -> None:
    """At the limit of a head, found at once or after it was searched in part."""
    limits = Limits(head=64)
    block = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
    for size in (63, 64, 65):
        data = block + b"y" * (size - len(block)) + b"\r\n\r\n"
        for seen in (0, 62, 64, 66):
            found = [outcome(RequestScanner(scan=scan).take, data, 0, seen, limits) for scan in (SCAN, None)]
            assert [result[1] for result in found] == [size + 4] * 2 if size <= 64 else [result[0] for result in found] == [431] * 2


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=64))
@example(b"", b"", b"")
@example(b"t" * 114, b"p", b"")
@example(b"t" * 115, b"p", b"k" * 64)
def test_keys_are_hashed_as_hashlib_does(target: bytes, prefix: bytes, secret: bytes) -> None:
    """Around every border of a block, with and without a secret."""
    assert SCAN is not None
    lines = SCAN(b"GET / HTTP/1.1\r\nHost: a", 14, NAMES_TABLE(NAMES), 9)
    assert lines is not None
    key = lines.gather(lines.rule({}, secret, prefix), b"GET", target)[3]
    material = b"\0\0\0\x03GET" + len(target).to_bytes(4, "big") + target
    assert key == hashlib.blake2b(prefix + material, digest_size=16, key=secret).digest()
    assert key != hashlib.blake2b(prefix + material, digest_size=16, key=secret + b"k" if len(secret) < 64 else b"").digest()


def test_long_material_is_hashed_whole() -> None:
    """More than fits the room that most requests need; other sizes differ in the last octet only."""
    for size in (900, 1_000, 1_024, 5_000, 70_000):
        compare(b"GET /" + b"t" * 100 + b" HTTP/1.1\r\nHost: a\r\nX-B: " + b"v" * size, (b"GET",))


@given(st.lists(st.tuples(st.sampled_from(LINES), st.binary(max_size=40)), max_size=6))
@settings(max_examples=200)
def test_any_values_are_read_alike(lines: list[tuple[bytes, bytes]]) -> None:
    """Good lines with any octets behind them, each start line."""
    for start in (STARTS[1], STATUSES[0]):
        compare(b"\r\n".join([start, b"Host: a", *[line + value for line, value in lines]]), (b"GET",))


@pytest.mark.parametrize("octet", range(256))
def test_each_octet_is_read_alike_everywhere(octet: int) -> None:
    """In a name, at each place of a value (eight octets are looked at in one), in Host, in a length and in the start line."""
    one = bytes([octet])
    for block in (b"X" + one + b"y: z", b"Host: a" + one, b"Host: " + one, b"Content-Length: 1" + one, b"Connection: close" + one):
        compare(b"GET / HTTP/1.1\r\nHost: b\r\n" + block, (b"GET",))
        compare(b"HTTP/1.1 200 OK\r\n" + block, (b"GET",))
    for block in (
        b"Host: " + one,
        b"Host: b\r\nX-B: b" + one,
        b"Host: b\r\nX-A: 1\r" + one + b"X-B: 2",
        b"Host: b\r\nX-A: 1" + one + b"\nX-B: 2",
    ):
        compare(b"GET / HTTP/1.1\r\n" + block, ())
    compare(b"GET /" + one + b" HTTP/1.1\r\nHost: b", (b"GET",))
    for at in range(35):
        value = b"v" * at + one + b"v" * (34 - at)
        compare(b"GET / HTTP/1.1\r\nHost: b\r\nX: " + value, ())


def test_repeated_lines_keep_their_order_in_the_key() -> None:
    """Of names that are keyed, in any order of the names."""
    for lines in ((b"X-B: 1", b"X-B: 2"), (b"X-B: 2", b"X-B: 1"), (b"Accept: 1", b"X-B: 2", b"Accept: 0", b"X-B:")):
        compare(b"\r\n".join([b"GET / HTTP/1.1", b"Host: a", *lines]), ())


def test_the_number_of_lines_is_bounded_alike() -> None:
    """At the limit, one more, and more than one head in C has room for."""
    for limit in (12, 255, 256, 257, 300):
        for count in (limit - 1, limit, limit + 1, limit + 2):
            block = b"GET / HTTP/1.1\r\nHost: a" + b"\r\nX: y" * (count - 1)
            scanners = [RequestScanner(Limits(fields=limit), scan=scan) for scan in (SCAN, None)]
            both(
                [lambda scanner=scanner, block=block: scanner.scan(block) for scanner in scanners], lambda head: request_facts(head, False)
            )


def test_ordinary_heads_are_read_in_c_and_the_comparison_can_fail() -> None:
    """Negative control: heads that C left to Python would make every comparison above true."""
    for line in (b"Accept: x", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Connection: close", b"Keep-Alive: 5"):
        assert REQUESTS[0].scan(b"GET / HTTP/1.1\r\nHost: a\r\n" + line).lines is not None
        assert ANSWERS[0].scan(b"HTTP/1.1 200 OK\r\n" + line, b"GET").lines is not None
    assert REQUESTS[1].scan(b"GET / HTTP/1.1\r\nHost: a").lines is None
    other = [b"GET / HTTP/1.1\r\nHost: a\r\nX-Session-Id: " + session for session in (b"1", b"2")]
    assert len({str(request_facts(REQUESTS[0].scan(block), False)) for block in other}) == 2


def test_a_date_is_read_only_where_expires_counts_from_it() -> None:
    """It is new each second: a memo would learn 64 of them, and make a field of every other one in vain."""
    scanner = AnswerScanner(LIMITS)
    for second in range(60):
        date = b"Date: Sun, 06 Nov 1994 08:49:%02d GMT" % second
        for more, asked in ((b"", [b"cache-control"]), (b"\r\nExpires: 0", [b"cache-control", b"date", b"expires"])):
            head = scanner.scan(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n" + date + more, b"GET")
            assert (head.lines is not None, [field.name for field in head.governing]) == (True, asked)
            assert (date in scanner.memo.known) == bool(more)


def test_what_one_line_says_to_a_cache_is_found_out_once_and_a_cookie_never_kept() -> None:
    """Of lines that recur; two say something together that neither says alone."""
    scanner = AnswerScanner(LIMITS)

    def told(*lines: bytes) -> Told:
        return scanner.scan(b"\r\n".join((b"HTTP/1.1 200 OK", b"Content-Length: 1", *lines)), b"GET").told

    assert told(b"Cache-Control: no-store") is told(b"X: 1", b"Cache-Control: no-store")
    assert told(b"Cache-Control: no-store", b"Vary: *").what != []
    assert told(b"Vary: *") is not told(b"Vary: a")
    assert [field.value for field in told(b"Set-Cookie: a").what] == [b"a"]
    assert [field.value for field in told(b"Set-Cookie: b").what] == [b"b"]
    for number in range(100):
        assert told(b"ETag: %d" % number).validator
    assert not any(raw.startswith(b"Set-Cookie") for raw in scanner.memo.told)
    assert len(scanner.memo.told) < 40


def test_wrong_arguments_are_refused_not_read() -> None:
    """The functions in C check what they are given."""
    assert SCAN is not None
    names = NAMES_TABLE(NAMES)
    lines = SCAN(b"GET / HTTP/1.1\r\nHost: a", 14, names, 9)
    assert lines is not None
    for wrong in (
        lambda: SCAN(bytearray(b"x"), 0, names, 9),  # type: ignore[arg-type, misc]
        lambda: SCAN(b"x", 0, {}, 9),  # type: ignore[misc]
        lambda: lines.forwarded(0, "x", b""),  # type: ignore[arg-type]
        lambda: lines.gather({}, b"GET", b"/"),
        lambda: lines.gather(names, b"GET", b"/"),
        lambda: lines.gather(lines.rule({}, b"", b""), "GET", b"/"),  # type: ignore[arg-type]
        lambda: lines.rule({}, "", b""),  # type: ignore[arg-type]
        lambda: lines.rule([], b"", b""),  # type: ignore[arg-type]
        lambda: type(lines.rule({}, b"", b""))(),
        lambda: FIND_HEAD(bytearray(b"x"), 0, 0, names, 9, 9),  # type: ignore[arg-type, misc]
        lambda: FIND_HEAD(b"x", 0, 0, {}, 9, 9),  # type: ignore[misc]
        lambda: FIND_HEAD(b"x", "", 0, names, 9, 9),  # type: ignore[arg-type, misc]
        lambda: lines.raw("x"),  # type: ignore[arg-type]
        lambda: NAMES_TABLE({"x": 1}),
        lambda: NAMES_TABLE({}, x=1),
        lambda: type(lines)(),
    ):
        with pytest.raises(TypeError):
            wrong()
    for code in (0, 1 << 32):
        with pytest.raises(ValueError, match="code"):
            NAMES_TABLE({b"x": code})
    with pytest.raises(ValueError, match="too long"):
        lines.rule({}, b"k" * 65, b"")
    assert FIND_HEAD is not None
    assert FIND_HEAD(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", -1, 0, names, 99, 9) is None
    for first in (-1, 99):
        assert SCAN(b"GET / HTTP/1.1\r\nHost: a", first, names, 9) is None
