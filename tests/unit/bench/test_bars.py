"""The lines that benchmarks print are those that the summary reads, and a missed bar is a failure."""

from __future__ import annotations

import pytest

from bench.bars import Bar, judge, parse


@pytest.mark.parametrize(
    ("bar", "met"),
    [
        (Bar("memory_mb", 234.0312, "MB", "<", 250), True),
        (Bar("memory_mb", 250, "MB", "<", 250), False),
        (Bar("errors", 0, "", "=", 0), True),
        (Bar("errors", 1, "", "=", 0), False),
        (Bar("ratio", 1.5, "x", ">=", 1.5), True),
        (Bar("ratio", 1.499, "x", ">=", 1.5), False),
        (Bar("slope", -0.25, "MB/min", "<=", 2), True),
    ],
)
def test_a_line_says_what_was_measured(bar: Bar, met: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge([bar]) == (not met)
    printed = capsys.readouterr().out
    assert printed.rstrip().endswith("pass" if met else "MISSED")
    found = parse(printed)
    assert found == bar._replace(value=round(bar.value, 3))
    assert found.met == met


@pytest.mark.parametrize("line", ["", "datapath: pass_w0_envoy=1.2", "bar x 1 MB bar < 2", "bar x y MB bar < 2 failed"])
def test_other_lines_are_none(line: str) -> None:
    assert parse(line) is None


def test_one_missed_bar_fails_all() -> None:
    assert judge([Bar("a", 1, "", "=", 1), Bar("b", 1, "", "=", 2)]) == 1
    assert judge([]) == 0
