"""The scanner in C against the one in Python: the same head or the same refusal, of requests and answers, and the same cache key."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slipstream_api.config import CacheKey, Partition
from slipstream_runtime.cores.identity import Interest
from slipstream_runtime.cores.key import CacheRequest, KeyReader
from slipstream_runtime.http.answer import AnswerHead, AnswerScanner
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.fields import GOVERNING, NAMES
from slipstream_runtime.http.forward import forwarded_answer, forwarded_request
from slipstream_runtime.http.heads import Limits
from slipstream_runtime.http.request import RequestHead, RequestScanner
from slipstream_runtime.http.scanner import FIND_HEAD, NAMES_TABLE, SCAN

assert SCAN is not None, "the scanner in C isn't built: `make test-compiled` builds it and runs these"

LIMITS = Limits(fields=12)
READERS = [
    KeyReader(b"rule", Interest(partition, CacheKey(headers=("X-Tenant", "Accept-Language"))), whole, b"secret")
    for partition in (Partition(type="PerCaller"), Partition(type="Header", headers=("X-Session-Id", "x-b")), Partition(type="Shared"))
    for whole in (True, False)
]
STARTS = [
    b"GET / HTTP/1.1",
    b"POST /a?b=c HTTP/1.1",
    b"GET http://a/b HTTP/1.1",
    b"PUT /x HTTP/1.0",
    b"G  / HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
]
STATUSES = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 404 ",
    b"HTTP/1.1 200",
    b"HTTP/1.0 200 OK",
    b"HTTP/1.1 204 No",
    b"HTTP/1.1 304 Not",
    b"HTTP/1.1 101 S",
]
LINES = [
    b"Host: a:80", b"hOST:[::1] ", b"Host: a/b", b"Host:", b"Host: a`", b"Host: a#", b"Host: a|", b"Host: a^",
    b"Content-Length: 5", b"CONTENT-LENGTH:\t05 ", b"Content-Length: +5", b"Content-Length:", b"Content-Length: 999999999999999999",
    b"Content-Length: 1000000000000000000", b"Content-Length: \xb2", b"Transfer-Encoding: chunked", b"Transfer-Encoding: CHUNKED\t",
    b"Transfer-Encoding: gzip, chunked", b"Connection: close", b"Connection: Keep-Alive", b"Connection: keep-alive, x-a", b"Connection:",
    b"Connection: upgrade", b"Connection: clo se", b"Close: 1", b"Keep-Alive: timeout=5", b"TE: trailers", b"Expect: 100-continue",
    b"Expect: x", b"Upgrade: websocket", b"Upgrade: h2c", b"X-A: 1", b"X-B:", b"X-B: b", b"x-b: \xe9\xff", b"X-Session-Id: s1",
    b"Authorization: Bearer 1", b"Cookie: a=b", b"Cache-Control: no-cache", b"Cache-Control: max-age=5, private", b"Pragma: no-cache",
    b"If-None-Match: x", b"Range: bytes=0-1", b"Accept: */*", b"Accept: a,\tb", b"X-Tenant: t", b"Vary: accept", b"Set-Cookie: a",
    b"Age: 4", b"ETag: x", b"Last-Modified: y", b"If-Modified-Since: z", b"X-Envoy-Expected-Rq-Timeout-Ms: 50",
    b"x-envoy-upstream-rq-timeout-ms: 20", b"X-Envoy-Upstream-Rq-Timeout-Ms: x",
    b"Date: Sun, 06 Nov 1994 08:49:37 GMT", b"Expires: 0", b"Content-Range: x", b" folded", b"X : y", b": x", b"", b"X", b"X: a\x00b",
    b"X: a\rb", b"X: a\nb", b"X: a\x7fb", b"X\xfc: b", b"X: " + b"y" * 40 + b"\t" + b"z" * 40, b"X: " + b"y" * 31 + b"\x01", b"X:  \t ",
]  # fmt: skip
OCTETS = [bytes([octet]) for octet in (*range(33), *b'"#()/:;<=@[]`|{}~,aZ09\x7f\x80\xff')]


def request_facts(head: RequestHead, read: bool) -> tuple[Any, ...]:
    """All that anyone asks of a request's head; fields first where `read`, to see that it makes no difference."""
    fields = [(field.name, field.value, field.raw, field.kind) for field in head.fields] if read else None
    sent = [forwarded_request(head, host) for host in (b"", b"up:81")]
    keys = [key_facts(reader.read_head(head.method, head.line.target, head, head.body != 0)) for reader in READERS]
    seen = [key_facts(reader.read(head.method, head.line.target, head.fields, head.body != 0)) for reader in READERS]
    assert keys == seen  # the unread lines say what the fields say
    again = [(field.name, field.value, field.raw, field.kind) for field in head.fields]
    assert fields in (None, again)
    plain = (head.method, head.body, head.keep_alive, head.expects_continue, head.upgrade, head.host, head.timeout_ms, head.value(b"x-b"))
    return (*plain, again, sent, keys)


ASKED = ("bypass", "credential", "key", "limited", "max_age", "min_fresh", "only_if_cached", "partition", "refresh")


def key_facts(request: CacheRequest) -> tuple[Any, ...]:
    return tuple(getattr(request, name) for name in ASKED)


def answer_facts(head: AnswerHead) -> tuple[Any, ...]:
    fields = [(field.name, field.value, field.raw, field.kind) for field in head.fields]
    governing = [(field.name, field.value) for field in head.governing]
    names = {name for name, kind in NAMES.items() if 1 << kind & GOVERNING}
    told = [(name, value) for name, value, _, _ in fields if name in names]
    assert [pair for pair in governing if pair[0] in names] == told
    if any(name == b"expires" for name, _ in told):
        assert [pair for pair in governing if pair[0] == b"date"] == [(name, value) for name, value, _, _ in fields if name == b"date"]
    sent = [forwarded_answer(head, b"\r\nA: b", b"", chunked) for chunked in (False, True)]
    return (head.status, head.body, head.keep_alive, head.upgrade, fields, sent, head.storable(), head.value(b"date"))


class Taken(list[Any]):
    """A head and its end; no tuple, which is a refusal."""

    def __init__(self, head: Any, end: int) -> None:
        super().__init__((head, end))


def outcome(scan: Any, *arguments: Any) -> Any:
    try:
        return scan(*arguments)
    except MalformedError as error:
        return (error.status, error.message)


REQUESTS = [RequestScanner(LIMITS, scan=scan) for scan in (SCAN, None)]
ANSWERS = [AnswerScanner(LIMITS, scan=scan) for scan in (SCAN, None)]


def both(scans: list[Any], facts: Any) -> None:
    """The same refusal, or heads of which the same is true. Refusals are those of the scan itself: fields made later would refuse too,
    but after the head was sent on."""
    heads = [outcome(scan) for scan in scans]
    if isinstance(heads[0], tuple) or isinstance(heads[1], tuple):
        assert heads[0] == heads[1]
    else:
        assert facts(heads[0]) == facts(heads[1])


def compare(block: bytes, methods: tuple[bytes, ...] = (b"GET", b"HEAD")) -> None:
    """Both scanners, with what they remember and as new, say the same of `block` as a request and as an answer."""
    new = [RequestScanner(LIMITS, scan=scan) for scan in (SCAN, None)]
    for scanners, read in ((REQUESTS, False), (REQUESTS, True), (new, False)):
        both([lambda scanner=scanner: scanner.scan(block) for scanner in scanners], lambda head, read=read: request_facts(head, read))
    for method in methods:
        both([lambda scanner=scanner, method=method: scanner.scan(block, method) for scanner in ANSWERS], answer_facts)
    compare_taken(block + b"\r\n\r\nrest", 0, 0, methods)


def compare_taken(data: bytes, start: int, seen: int, methods: tuple[bytes, ...] = (b"GET",)) -> None:
    """The same of a head that has to be found first: it, where it ends, or that it isn't complete."""

    def with_end(facts: Any) -> Any:
        return lambda taken: (taken[1], None if taken[0] is None else facts(taken[0]))

    both(
        [lambda scanner=scanner: Taken(*scanner.take(data, start, seen, LIMITS)) for scanner in REQUESTS],
        with_end(lambda head: request_facts(head, False)),
    )
    for method in methods:
        both(
            [lambda scanner=scanner, method=method: Taken(*scanner.take(data, start, seen, method)) for scanner in ANSWERS],
            with_end(answer_facts),
        )


def mutated(source: random.Random) -> bytes:
    """A head of good and bad lines, at times with an octet more, less or changed."""
    lines = [source.choice(STARTS + STATUSES)]
    if source.random() < 0.7:
        lines.append(b"Host: memory-server:8080")
    lines += source.choices(LINES, k=source.randrange(0, 13))
    block = b"\r\n".join(lines)
    for _ in range(source.choice((0, 0, 1, 2))):
        at = source.randrange(len(block) + 1)
        block = block[:at] + source.choice([*OCTETS, b""]) + block[at + source.randrange(2) :]
    return block


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
