"""Negative controls of the fuzzer: it finds faults of the parsers. Patches what compiles, so it runs as ordinary Python alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from slipstream_runtime.http import chunks, request_scanner
from slipstream_runtime.http.heads import END_OF_HEAD
from tests.property.http_fuzz import fuzz_cases

BUDGET = 1_500


def _forgets_where_it_was(data: bytes, start: int, seen: int, limits: Any) -> int:
    """Looks for the end of a head only in what is new: one that was cut is missed."""
    return data.find(END_OF_HEAD, max(start, seen))


@pytest.mark.parametrize(
    ("place", "name", "planted"),
    [(request_scanner, "head_end", _forgets_where_it_was), (chunks, "chunk_size", lambda line: int(line or b"0", 16) % 4096)],
    ids=["a cut end of a head is missed", "ValueError where MalformedError is due"],
)
def test_a_planted_fault_is_found(place: Any, name: str, planted: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: one fault of memory between reads, one exception that nobody expects."""
    monkeypatch.setattr(place, name, planted)
    with pytest.raises((AssertionError, ValueError)):
        fuzz_cases(BUDGET, "planted")
