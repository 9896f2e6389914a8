"""Nanoseconds per operation on one thread: the best of several rounds, since a machine's noise only ever adds. Knows no operation."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Final

ROUNDS: Final = 5
Operation = Callable[[int], None]  # does so many of them


def best(operation: Operation, count: int) -> float:
    """Of an operation that can be done again and again."""
    return best_of(lambda _: operation, count)


def best_of(make: Callable[[int], Operation], count: int) -> float:
    """Of one that `make` gives fresh material for `count` of them, which isn't counted."""
    fastest = float("inf")
    for _ in range(ROUNDS):
        operation = make(count)
        gc.collect()
        gc.freeze()  # the collector looks at what the operation makes, not at its material
        began = time.thread_time_ns()
        operation(count)
        fastest = min(fastest, (time.thread_time_ns() - began) / count)
        gc.unfreeze()
    return fastest
