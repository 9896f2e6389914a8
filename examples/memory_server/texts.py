"""Thousands of real texts to remember: the docstrings of Python's standard library. Reads source files, imports none of them."""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# Not part of what is documented to users, or not everywhere.
_LEFT_OUT: Final = frozenset(
    {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "turtledemo", "ensurepip", "__pycache__"}
)
_SHORTEST: Final = 40  # characters; a shorter docstring says little more than its name
_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def standard_library() -> Path:
    """Where the standard library of this interpreter is."""
    return Path(sysconfig.get_paths()["stdlib"])


def docstrings(library: Path, limit: int = 6000) -> Iterator[tuple[str, str]]:
    """(topic, text) of at most `limit` docstrings, the same ones in the same order for the same library."""
    count = 0
    for file in sorted(library.rglob("*.py")):
        parts = file.relative_to(library).with_suffix("").parts
        if _LEFT_OUT.isdisjoint(parts):
            for topic, text in _of_file(file, ".".join(parts).removesuffix(".__init__")):
                yield topic, text
                count += 1
                if count >= limit:
                    return


def _of_file(file: Path, module: str) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError):  # a few files are broken on purpose
        return
    yield from _of_node(tree, module)


def _of_node(node: _Documented, name: str) -> Iterator[tuple[str, str]]:
    text = ast.get_docstring(node)
    if text and len(text) >= _SHORTEST:
        yield name, text
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _of_node(child, f"{name}.{child.name}")
