"""Axes of charts: values to positions from 0 to 1, and ticks that people would choose. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from slipstream_loadtest.plan.units import show_ms

_STEPS_MS: Final = (
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    *(1000 * s for s in (1, 2, 5, 10, 15, 30)),
    *(60_000 * m for m in (1, 2, 5, 10, 30)),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """`low` to `high`, linear or by its logarithm; `ticks` lie within."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value lies, 0 at the low end; what lies outside is drawn at the edge."""
        low, high, value = (math.log(x) for x in (self.low, self.high, max(value, self.low))) if self.log else (self.low, self.high, value)
        return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.5


def linear(values: Sequence[float], ticks: int = 4) -> Scale:
    """From 0 to a round number at or above the greatest value."""
    greatest = max(values, default=0.0)
    if greatest <= 0:
        return Scale(0.0, 1.0, (0.0, 1.0))
    rough = greatest / ticks
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * 0.999)
    count = math.ceil(greatest / step - 1e-9)
    return Scale(0.0, step * count, tuple(step * n for n in range(count + 1)))


def logarithmic(values: Sequence[float]) -> Scale:
    """Positive values over several orders of magnitude, ticks at 1, 2, 5 and 10 or at powers of ten alone."""
    positive = [value for value in values if value > 0]
    if not positive:
        return linear(values)
    low, high = math.floor(math.log10(min(positive)) + 1e-9), math.ceil(math.log10(max(positive)) - 1e-9)
    high = max(high, low + 1)
    factors = (1, 2, 5) if high - low <= 2 else (1,)
    stride = max(1, (high - low) // 5)
    ticks = [f * 10.0**n for n in range(low, high, stride) for f in factors] + [10.0**high]
    return Scale(10.0**low, 10.0**high, tuple(ticks), log=True)


def latency_scale(values: Sequence[float]) -> Scale:
    """Linear where one scale shows all; logarithmic where the greatest is more than 30 times the least."""
    positive = [value for value in values if value > 0]
    return logarithmic(positive) if positive and max(positive) > 30 * min(positive) else linear(values)


def time_scale(duration_ms: int, ticks: int = 7) -> Scale:
    """A run's time in ms, ticks at whole seconds or minutes."""
    step = next((s for s in _STEPS_MS if duration_ms / s <= ticks), 60_000 * 60 * math.ceil(duration_ms / 3_600_000 / ticks))
    return Scale(0.0, float(max(1, duration_ms)), tuple(float(t) for t in range(0, duration_ms + 1, step)))


def duration(ms: float) -> str:
    """A tick of a latency axis."""
    return show_ms(ms) if ms else "0"


def clock(ms: float) -> str:
    """A moment of a run: `0`, `30s`, `1:30`, `1:02:00`."""
    if 0 < ms < 1000:
        return show_ms(ms)
    seconds = round(ms / 1000, 1)
    if seconds < 60:
        return f"{seconds:g}s" if seconds else "0"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
