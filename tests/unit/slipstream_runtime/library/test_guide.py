"""The guide's examples run as they stand: every Python block of docs/guide/library.md, by itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from slipstream_runtime import library

GUIDE = Path(__file__).parents[4] / "docs" / "guide" / "library.md"


def blocks(text: str) -> list[tuple[int, str]]:
    """(line of its first line, code)."""
    return [
        (text.count("\n", 0, match.start(1)) + 1, match[1])
        for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def run(line: int, code: str) -> None:
    """As a module would be; a traceback names the guide's own line."""
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile("\n" * (line - 1) + code, str(GUIDE), "exec"), names)


BLOCKS = blocks(GUIDE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("line", "code"), BLOCKS, ids=[f"line-{line}" for line, _ in BLOCKS])
def test_an_example_runs(line: int, code: str) -> None:
    run(line, code)


def test_every_example_claims_something_and_each_layer_has_one() -> None:
    first, *examples = [code for _, code in BLOCKS]
    assert "assert" not in first, "the import line"
    assert all("assert" in code for code in examples)
    for name in ("memoize", "CircuitBreaker", "Pool"):
        assert sum(name in code for code in examples) >= 2
    assert GUIDE.read_text(encoding="utf-8").count("```python") == len(BLOCKS)


@pytest.mark.parametrize(("right", "wrong"), [("(2, 3, 9)", "(2, 3, 8)"), ('"HELLO"', '"hello"'), ("failures == 1", "failures == 2")])
def test_control_a_wrong_claim_is_seen(right: str, wrong: str) -> None:
    ((line, code),) = [(line, code) for line, code in BLOCKS if right in code]
    with pytest.raises(AssertionError):
        run(line, code.replace(right, wrong))


def test_every_name_of_the_library_is_in_the_guide_or_reached_by_one_that_is() -> None:
    """So that what is public is explained; the types of results are reached by their methods."""
    text = GUIDE.read_text(encoding="utf-8")
    reached = {"Call", "CircuitStats", "MemoStats", "Memoized", "LocalRefusal", "PoolClosed"}
    assert {name for name in library.__all__ if name not in text} <= reached
