"""Heads for comparing the two scanners, and what is compared of what they make of one. Tests nothing itself."""

from __future__ import annotations

import random
from typing import Any

from slipstream_api.config import CacheKey, Partition
from slipstream_runtime.cores.identity import Interest
from slipstream_runtime.cores.key import CacheRequest, KeyReader
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.answer_scanner import AnswerScanner
from slipstream_runtime.http.conditional import conditional_request
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.fields import GOVERNING, NAMES
from slipstream_runtime.http.forward import forwarded_answer, forwarded_request
from slipstream_runtime.http.heads import Limits
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.http.request_scanner import RequestScanner
from slipstream_runtime.http.scanner import SCAN

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
    b"Authorization: Bearer 1", b"authorization:Negotiate 1", b"Authorization: ntlm", b"Authorization: Digest a, Ntlm b", b"Authorization:",
    b"WWW-Authenticate: Negotiate", b"WWW-Authenticate: Basic, NTLM", b"www-authenticate: Newauth", b"Proxy-Authenticate: Negotiate x",
    b"Proxy-Authenticate: Basic", b"Cookie: a=b", b"Cache-Control: no-cache", b"Cache-Control: max-age=5, private", b"Pragma: no-cache",
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
    if head.method != b"HEAD":  # that of the last head with the same start line first, then each of them twice
        assert [key_facts(head.asks(reader)) for reader in (*reversed(READERS), *READERS)] == [*reversed(keys), *keys]
    again = [(field.name, field.value, field.raw, field.kind) for field in head.fields]
    assert fields in (None, again)
    sent += [conditional_request(head, host, b"\r\nIf-None-Match: x") for host in (b"", b"up:81")]
    plain = (
        head.method,
        head.body,
        head.keep_alive,
        head.expects_continue,
        head.upgrade,
        head.host,
        head.timeout_ms,
        head.value(b"x-b"),
        head.binds(),
    )
    return (*plain, again, sent, keys)


ASKED = ("bypass", "conditional", "credential", "key", "only_if_cached", "partition", "refresh")
BOUNDS = ("max_age", "min_fresh", "max_stale")


def key_facts(request: CacheRequest) -> tuple[Any, ...]:
    return (*(getattr(request, name) for name in ASKED), *(getattr(request.bounds, name) for name in BOUNDS))


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
