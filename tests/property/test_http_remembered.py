"""What a scanner remembers of heads changes nothing: whatever came before, a head means what it means to a scanner that is new."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstream_runtime.http.answer import AnswerHead, AnswerScanner
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.forward import forwarded_answer

LINES = (
    b"Date: Sun, 06 Nov 1994 08:49:37 GMT",
    b"Date: Sun, 06 Nov 1994 08:49:38 GMT",
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Transfer-Encoding: chunked",
    b"Connection: keep-alive",
    b"Connection: close, X-A",
    b"Cache-Control: no-store",
    b"Set-Cookie: a=1",
    b"ETag: x",
    b"X-A: 1",
    b"X-A : 1",
)
STATUS = (b"HTTP/1.1 200 OK", b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 Not Modified", b"HTTP/1.0 200 OK", b"HTTP/1.1 101 S")
blocks = st.builds(
    lambda status, lines: b"\r\n".join((status, *lines)), st.sampled_from(STATUS), st.lists(st.sampled_from(LINES), max_size=4)
)
answers = st.lists(st.tuples(blocks, st.sampled_from((b"GET", b"HEAD"))), min_size=1, max_size=4)


def told(scanner: AnswerScanner, block: bytes, method: bytes) -> tuple[Any, ...]:
    try:
        head, end = scanner.take(block + b"\r\n\r\nrest", 0, 0, method)
    except MalformedError as error:
        return (error.status, error.message)
    assert head is not None
    fields, governing = ([(field.raw, field.kind) for field in found] for found in (head.fields, head.governing))
    sent = [forwarded_answer(head, b"", b"", chunked) for chunked in (False, True)]
    return (end, head.status, head.body, head.keep_alive, head.upgrade, fields, governing, sent, head.storable())


def holds(seen: list[tuple[bytes, bytes]]) -> bool:
    scanner = AnswerScanner(scan=None)
    return all(told(scanner, block, method) == told(AnswerScanner(scan=None), block, method) for block, method in seen * 2)


@settings(max_examples=300, deadline=None)
@given(answers)
def test_what_came_before_changes_no_head(seen: list[tuple[bytes, bytes]]) -> None:
    """Each of them twice, in any order of methods."""
    assert holds(seen)


def test_a_scanner_that_forgets_the_method_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: an answer to HEAD has no body, whatever its length says."""
    seen = [(b"HTTP/1.1 200 OK\r\nContent-Length: 5", method) for method in (b"GET", b"HEAD")]
    assert holds(seen)
    take = AnswerScanner.take

    def careless(self: AnswerScanner, data: bytes, start: int, before: int, method: bytes) -> tuple[AnswerHead | None, int]:
        return take(self, data, start, before, b"GET" if self._heads else method)

    monkeypatch.setattr(AnswerScanner, "take", careless)
    assert not holds(seen)
