"""How long a closed user waits after an iteration, drawn with the plan's seed: the same for a user and an iteration on every run. Pure."""

from __future__ import annotations

from collections.abc import Callable
from math import log1p
from typing import Final

from slipstream_loadtest.plan.draws import draw
from slipstream_loadtest.plan.scenarios import ThinkTime

_APART: Final = 0x5851F42D4C957F2D  # another stream than the one that scenarios and rows are drawn from (Knuth's MMIX multiplier)
_UNIT: Final = 2.0**-53

Think = Callable[[int, int], float]
"""(a user's stream, number of its iteration) → seconds."""


def unit(stream: int, iteration: int) -> float:
    """An evenly drawn number, at least 0 and less than 1."""
    return (draw(stream ^ _APART, iteration) >> 11) * _UNIT


def thinker(think: ThinkTime) -> Think:
    """The waits that a think time asks for, in seconds."""
    mean, shortest, longest = think.mean_ms / 1000, think.min_ms / 1000, think.max_ms / 1000
    match think.type:
        case "Constant":
            return lambda stream, iteration: mean
        case "Uniform":
            return lambda stream, iteration: shortest + unit(stream, iteration) * (longest - shortest)
        case "Exponential":
            return lambda stream, iteration: min(longest, -mean * log1p(-unit(stream, iteration)))
