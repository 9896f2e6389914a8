"""That heads are read by what is remembered, and that a memory which believes too much is found out. Patches what compiles, so it runs as
ordinary Python alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from slipstream_runtime.cores.fields import HeaderField, Known
from slipstream_runtime.http import layout
from slipstream_runtime.http.answer_layout import AnswerLayout
from slipstream_runtime.http.answer_scanner import AnswerScanner
from slipstream_runtime.http.layout import Layout
from slipstream_runtime.http.request_scanner import RequestScanner
from tests.fakes.remembered import ways_differ


def test_most_heads_are_laid_out_as_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the above would say little."""
    seen: list[bool] = []

    def counted(made: Any) -> Any:
        def count(*arguments: Any) -> Any:
            head = made(*arguments)
            seen.append(head is not None)
            return head

        return count

    monkeypatch.setattr(RequestScanner, "_laid_out", counted(RequestScanner._laid_out))
    monkeypatch.setattr(AnswerLayout, "head", counted(AnswerLayout.head))
    assert not any(ways_differ(seed) for seed in range(12))
    assert sum(seen) > 1_000, sum(seen)  # of 9,600 heads, many of them refused


def test_values_that_are_not_looked_at_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first control: where values may be anything up to a CR, a bare LF gets through."""
    monkeypatch.setattr(layout, "_VALUE", rb"([^\r]*+)")
    assert any(ways_differ(seed) for seed in range(12))


def test_a_length_that_is_believed_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second control."""
    monkeypatch.setattr(Layout, "content_length", lambda self, values: len(values[self.length]))
    assert any(ways_differ(seed) for seed in range(12))


def test_a_scanner_that_forgets_the_method_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The third: an answer to HEAD has no body, whatever its length says."""
    take = AnswerScanner.take
    monkeypatch.setattr(
        AnswerScanner,
        "take",
        lambda self, data, start, seen, method: take(self, data, start, seen, b"GET" if self._layouts._recent else method),
    )
    assert any(ways_differ(seed) for seed in range(12))


def test_a_key_of_other_known_lines_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fourth: what a start line asked with some known lines isn't what it asks with others."""
    made = Known.__init__

    def alike(self: Known, fields: Sequence[HeaderField], names: Sequence[bytes]) -> None:
        made(self, fields, names)
        self.number = 1

    monkeypatch.setattr(Known, "__init__", alike)
    with pytest.raises(AssertionError):  # of facts that have to agree in any one head
        assert not any(ways_differ(seed) for seed in range(12))
