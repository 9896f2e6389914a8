"""Negative controls of property tests: with something broken on purpose, a failing script must be found. Knows no package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

from hypothesis import Phase, find, settings
from hypothesis.strategies import SearchStrategy


def caught(scripts: SearchStrategy[Any], run: Callable[[Any], None], owner: Any, name: str, broken: Any) -> Any:
    """The first script that `run` fails on while `owner.name` is `broken`; raises NoSuchExample where the property sees no difference."""

    def fails(script: Any) -> bool:
        try:
            run(script)
        except Exception:
            return True
        return False

    quick = settings(max_examples=2_000, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    with mock.patch.object(owner, name, broken):
        return find(scripts, fails, settings=quick)
