"""Waiting for a state of the cluster, bounded, with the last thing seen in the message; never sleeps instead of looking."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], what: str, timeout: float = 30.0, pause: float = 0.25) -> T:
    """The first truthy value of `look`; an AssertionError of its own counts as "not yet". Fails after `timeout` seconds, saying why."""
    deadline = time.monotonic() + timeout
    seen: Any = None
    while True:
        try:
            seen = look()
            if seen:
                return seen
        except AssertionError as error:
            seen = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what}; last seen: {seen!r}")
        time.sleep(pause)
