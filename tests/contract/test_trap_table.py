"""The tables of traps and the names of the tests say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
# What has to be tested, whatever table and names say. 22 to 27 are about SQL, 41 and 42 about MCP.
DEMANDED = frozenset(f"{number:02}" for number in (*range(1, 22), *range(28, 41), *range(43, 46)))
DEMANDED_OF_LOAD = frozenset(f"T{number:02}" for number in range(1, 31))

ROW = re.compile(r"^\| (\d\d) \|", re.MULTILINE)
NAME = re.compile(r"^ *(?:async )?(?:def test|class Test)_?[tT]rap_?(\d\d)(?:_and_(\d\d))?", re.MULTILINE)

LOAD_ROW = re.compile(r"^\| (T\d\d) \|", re.MULTILINE)
LOAD_NAME = re.compile(r"^ *(?:async )?(?:def test|class Test)_?[tT]rap_?[tT](\d\d)_", re.MULTILINE)


def told_of_load(readme: str) -> set[str]:
    return set(LOAD_ROW.findall(readme))


def covered_of_load(sources: list[str]) -> set[str]:
    return {f"T{number}" for source in sources for number in LOAD_NAME.findall(source)}


def told(readme: str) -> set[str]:
    return set(ROW.findall(readme))


def covered(sources: list[str]) -> set[str]:
    return {number for source in sources for found in NAME.findall(source) for number in found if number}


def sources() -> list[str]:
    return [path.read_text() for path in TESTS.rglob("test_*.py")]


def test_each_trap_of_the_table_has_a_test_and_no_test_is_left_out() -> None:
    """By number, in both directions."""
    assert told((TESTS / "README.md").read_text()) == covered(sources())


def missing(readme: str, sources: list[str]) -> set[str]:
    """Demanded, of both kinds, and not in the tables or without a test."""
    return {*DEMANDED - told(readme), *DEMANDED - covered(sources), *DEMANDED_OF_LOAD - told_of_load(readme)}


def test_every_trap_that_is_demanded_has_a_row_and_a_test() -> None:
    """So that row and test can't go together unnoticed."""
    assert missing((TESTS / "README.md").read_text(), sources()) == set()


@pytest.mark.parametrize("number", ["06", "20", "45", "T30"])
def test_a_trap_that_is_gone_from_table_and_tests_is_noticed(number: str) -> None:
    """Negative control: the two agree then."""
    readme = re.sub(rf"(?m)^\| {number} \|.*\n", "", (TESTS / "README.md").read_text())
    left = [re.sub(rf"(?i)trap_?{number}|_and_{number}", "gone", source) for source in sources()]
    assert told(readme) == covered(left)
    assert missing(readme, left) == {number}


def test_a_trap_without_a_test_is_noticed() -> None:
    """Negative control, and the other way round."""
    readme = (TESTS / "README.md").read_text()
    assert told(readme + "\n| 46 | Nothing. |\n") != covered(sources())
    assert told(readme) != covered([*sources(), "def test_trap_46_nothing() -> None: ..."])


def test_each_trap_of_a_load_test_has_a_test_and_no_test_is_left_out() -> None:
    """The second table, T1 to T30."""
    assert told_of_load((TESTS / "README.md").read_text()) == covered_of_load(sources())


def test_a_trap_of_a_load_test_without_a_test_is_noticed() -> None:
    """Negative control, and the other way round; the two tables don't take each other's tests."""
    readme = (TESTS / "README.md").read_text()
    assert told_of_load(readme + "\n| T31 | Nothing. |\n") != covered_of_load(sources())
    assert told_of_load(readme) != covered_of_load([*sources(), "def test_trap_t31_nothing() -> None: ..."])
    assert covered_of_load(["def test_trap_01_nothing() -> None: ..."]) == covered(["def test_trap_t01_nothing() -> None: ..."]) == set()
