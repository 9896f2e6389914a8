"""What a scanner remembers of heads changes nothing: whatever came before, a head means what it means to a scanner that is new."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstream_runtime.http.answer import AnswerScanner
from slipstream_runtime.http.fields import FieldMemo
from slipstream_runtime.http.layout import Layout
from slipstream_runtime.http.request import RequestScanner
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


def asked(scanner: RequestScanner, block: bytes) -> Any:
    head = outcome(scanner.scan, block)
    return facts(head, lambda: request_facts(head, False))


def told(scanner: AnswerScanner, block: bytes, method: bytes) -> Any:
    head = outcome(scanner.scan, block, method)
    return facts(head, lambda: (*answer_facts(head), [(field.raw, field.kind) for field in head.governing]))


def ways_differ(seed: int) -> int:
    """How many heads of two senders through the same scanners aren't read as a new scanner reads them; ten times."""
    source = random.Random(seed)
    wrong = 0
    for _ in range(10):
        requests, answers = RequestScanner(LIMITS, scan=None), AnswerScanner(LIMITS, scan=None)
        requests.memo, answers.memo = FieldMemo(max_values=2), FieldMemo(max_values=2)
        askers, tellers = ([sender(source, starts) for _ in range(2)] for starts in (STARTS, STATUSES))
        for _ in range(40):
            block = source.choice(askers)()
            wrong += asked(requests, block) != asked(RequestScanner(LIMITS, scan=None), block)
            block, method = source.choice(tellers)(), source.choice((b"GET", b"GET", b"GET", b"HEAD"))
            wrong += told(answers, block, method) != told(AnswerScanner(LIMITS, scan=None), block, method)
    return wrong


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 32))
def test_what_came_before_changes_no_head(seed: int) -> None:
    """Of requests and answers, refused ones among them: the same refusal, fields, framing, cache key, and what is sent on."""
    assert not ways_differ(seed)


def test_most_heads_are_laid_out_as_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the above would say little."""
    seen: list[bool] = []
    values = Layout.values

    def counted(self: Layout, block: bytes, at: int) -> list[bytes] | None:
        result = values(self, block, at)
        seen.append(result is not None)
        return result

    monkeypatch.setattr(Layout, "values", counted)
    assert not any(ways_differ(seed) for seed in range(12))
    assert sum(seen) > 1_000, sum(seen)  # of 9,600 heads, many of them refused


def test_values_that_are_not_looked_at_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first control: without the search for controls a bare LF gets through."""
    values, blind = Layout.values, bytes(octet if octet in (9, 10, 13) or octet > 31 else 65 for octet in range(256))
    monkeypatch.setattr(Layout, "values", lambda self, block, at: values(self, block.translate(blind), at))
    assert any(ways_differ(seed) for seed in range(12))


def test_a_length_that_is_believed_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second control."""
    monkeypatch.setattr(Layout, "content_length", lambda self, values: len(values[self.length]))
    assert any(ways_differ(seed) for seed in range(12))


def test_a_scanner_that_forgets_the_method_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The third: an answer to HEAD has no body, whatever its length says."""
    read = AnswerScanner._read
    monkeypatch.setattr(AnswerScanner, "_read", lambda self, block, method: read(self, block, b"GET" if self._layouts._recent else method))
    assert any(ways_differ(seed) for seed in range(12))
