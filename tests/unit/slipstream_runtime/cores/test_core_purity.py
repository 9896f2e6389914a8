"""The cores stay pure: no clock, no I/O, no event loop."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import slipstream_runtime.cores

FOLDER = Path(slipstream_runtime.cores.__file__).parent
IMPURE = {
    "asyncio",
    "kopf",
    "aiohttp",
    "time",
    "os",
    "random",
    "secrets",
    "socket",
    "threading",
    "logging",
    "datetime",
    "pydantic",
    "uvloop",
}


def imported(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_core_imports_nothing_impure_and_no_other_room(path: Path) -> None:
    """Time and randomness are arguments."""
    source = path.read_text()
    assert not imported(source) & IMPURE
    assert "slipstream_runtime." not in source.replace("slipstream_runtime.cores", "")


def test_the_check_finds_what_it_looks_for() -> None:
    """Negative control."""
    assert imported("import os.path\nfrom asyncio import sleep\n") & IMPURE == {"os", "asyncio"}
