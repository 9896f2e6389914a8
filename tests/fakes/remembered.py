"""Heads as senders make them, through scanners that remember those before and through new ones: how many are read otherwise. Tests
nothing itself."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.answer_scanner import AnswerScanner
from slipstream_runtime.http.fields import FieldMemo
from slipstream_runtime.http.request_scanner import RequestScanner
from slipstream_runtime.http.scanner import Scan
from tests.fakes.scanned import LIMITS, LINES, STARTS, STATUSES, answer_facts, outcome, request_facts

VALUES = (
    b"",
    b" ",
    b" 22 ",
    b"\t3",
    b" a,b",
    b" \xe9",
    b" a\rb",
    b" a\nb",
    b" \0",
    b" x\r\n y",
    b" x\r\nHost: b",
    b" 5\r\nContent-Length: 6",
)
VARIED = (b"X-Request-Id", b"X-Session-Id", b"Authorization", b"X-B", b"x-b", b"Content-Length", b"Accept", b"ETag", b"Host", b"Connection")
FIXED = (b"Content-Length: 5", b"Connection: keep-alive", b"X-A: 1")

BEFORE, AFTER = b"GET / HTTP/1.1\r\nHost: a:80\r\n\r\n", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a:80\r\n\r\n"  # in the same read


def sender(source: random.Random, starts: list[bytes]) -> Callable[[], bytes]:
    """Heads as one makes them: some fixed lines, some whose values differ, now and then a line more, fewer, or in another place."""
    strange = source.random() < 0.3
    fixed = [b"Host: a:80", source.choice(FIXED), *(source.sample(LINES, source.randrange(4)) if strange else ())]
    lines = [(line, False) for line in fixed] + [
        (name, True) for name in source.sample(VARIED if strange else VARIED[:6], source.randrange(4))
    ]
    source.shuffle(lines)
    start = source.choice(starts if strange else starts[:2])

    def value() -> bytes:
        return source.choice(VALUES) if source.random() < 0.2 else b" %d" % source.randrange(9)

    def head() -> bytes:
        made = [line + b":" + value() if varies else line for line, varies in lines]
        if source.random() < 0.1:
            made.insert(source.randrange(len(made) + 1), source.choice(LINES))
        if source.random() < 0.1:
            made.pop(source.randrange(len(made)))
        if source.random() < 0.1:
            source.shuffle(made)
        return b"\r\n".join((start, *made))

    return head


def facts(head: Any, told: Callable[[], Any]) -> Any:
    """Of a head, or its refusal; one that comes later, when the fields are made, is another: the head was sent on by then."""
    return head if isinstance(head, tuple) else [outcome(told)]


def taken(head: Any, after: int, block: bytes) -> Any:
    """Which ends where it ends, whatever comes before and behind it."""
    assert (head is None, after) == (False, (BEFORE + block + AFTER).index(b"\r\n\r\n", len(BEFORE)) + 4)
    return head


def asked(scanner: RequestScanner, block: bytes) -> Any:
    head = outcome(lambda: taken(*scanner.take(BEFORE + block + AFTER, len(BEFORE), 0, LIMITS), block))
    return facts(head, lambda: request_facts(head, False))


def told(scanner: AnswerScanner, block: bytes, method: bytes) -> Any:
    head = outcome(lambda: taken(*scanner.take(BEFORE + block + AFTER, len(BEFORE), 0, method), block))
    return facts(head, lambda: (*answer_facts(head), governing(head)))


def governing(head: AnswerHead) -> list[tuple[bytes, int]]:
    """What decides on storing, in order. A Date alone decides nothing: the scanner in C leaves it out, the one in Python need not."""
    found = [(field.name, field.raw, field.kind) for field in head.governing]
    dated = any(name == b"expires" for name, _, _ in found)
    return [(raw, kind) for name, raw, kind in found if dated or name != b"date"]


def ways_differ(seed: int, scan: Scan | None = None) -> int:
    """How many heads of two senders through the same scanners aren't read as a new scanner in Python reads them; ten times. `scan`: of the
    scanners that remember."""
    source = random.Random(seed)
    wrong = 0
    for _ in range(10):
        requests, answers = RequestScanner(LIMITS, scan=scan), AnswerScanner(LIMITS, scan=scan)
        requests.memo, answers.memo = FieldMemo(max_values=2), FieldMemo(max_values=2)
        askers, tellers = ([sender(source, starts) for _ in range(2)] for starts in (STARTS, STATUSES))
        for _ in range(40):
            block = source.choice(askers)()
            wrong += asked(requests, block) != asked(RequestScanner(LIMITS, scan=None), block)
            block, method = source.choice(tellers)(), source.choice((b"GET", b"GET", b"GET", b"HEAD"))
            wrong += told(answers, block, method) != told(AnswerScanner(LIMITS, scan=None), block, method)
    return wrong
