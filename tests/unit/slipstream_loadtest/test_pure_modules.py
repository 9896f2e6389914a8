"""Modules of the load tests that call themselves pure: no clock, no I/O, no event loop in any of them."""

import ast
from pathlib import Path

import pytest

import slipstream_loadtest

FORBIDDEN = {"asyncio", "time", "os", "socket", "aiohttp", "uvloop", "httptools", "kopf", "subprocess", "pathlib", "signal"}
ROOT = Path(slipstream_loadtest.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix()


def says_pure(path: Path) -> bool:
    return "Pure" in (ast.get_docstring(ast.parse(path.read_text())) or "")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", [p for p in MODULES if says_pure(p)], ids=named)
def test_a_pure_module_imports_nothing_that_acts(path: Path):
    """What it computes depends on its arguments alone."""
    assert not imports(path) & FORBIDDEN


def test_decisions_are_pure_and_drivers_are_not():
    """The control: the list isn't empty, and what does I/O doesn't claim to be pure."""
    pure = {named(p) for p in MODULES if says_pure(p)}
    assert {"plan/build", "plan/schedule", "measured/histogram", "measured/tally", "measured/part", "measured/merge"} <= pure
    assert {"judged/stats", "judged/verdict", "report/document", "http/url_guard"} <= pure
    assert imports(ROOT / "http/driver.py") & FORBIDDEN
    assert not {"http/driver", "engine/engine", "runner/__main__", "runner/local", "http/resolve"} & pure


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_modules_are_small_and_say_what_they_are(path: Path):
    """One role, said in the first line; below 300 lines."""
    assert len(path.read_text().splitlines()) < 300
    assert ast.get_docstring(ast.parse(path.read_text()))
