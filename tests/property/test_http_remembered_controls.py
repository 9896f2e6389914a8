"""That heads are read by what is remembered, and that a memory which believes too much is found out. Patches what compiles, so it runs as
ordinary Python alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from slipstream_runtime.cores.fields import HeaderField, Known
from slipstream_runtime.http.answer import AnswerScanner
from slipstream_runtime.http.layout import Layout
from tests.fakes.remembered import ways_differ


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


def test_a_key_of_other_known_lines_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fourth: what a start line asked with some known lines isn't what it asks with others."""
    made = Known.__init__

    def alike(self: Known, fields: Sequence[HeaderField], names: Sequence[bytes]) -> None:
        made(self, fields, names)
        self.number = 1

    monkeypatch.setattr(Known, "__init__", alike)
    with pytest.raises(AssertionError):  # of facts that have to agree in any one head
        assert not any(ways_differ(seed) for seed in range(12))
