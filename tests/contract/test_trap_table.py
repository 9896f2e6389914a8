"""The tables of traps and the names of the tests say the same."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
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
