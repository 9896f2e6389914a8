"""Bounds of thresholds as numbers, and numbers as short texts for columns. Pure."""

from __future__ import annotations

import re
from typing import Final, Literal

from slipstream_api.scalars import parse_duration

Unit = Literal["ms", "percent", "perSecond", "count", "bytes"]

_QUANTITY: Final = re.compile(r"([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(n|u|m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_FACTORS: Final = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BINARY: Final = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


def quantity(text: str) -> float:
    """`1`, `0.5`, `2k`, `64Mi` as a number; ValueError says what to write."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} isn't a number: write 1, 0.5, 2k or 64Mi")
    number, suffix = match.groups()
    return float(number) * (_FACTORS | _BINARY).get(suffix or "", 1.0)


def limit(text: str, unit: Unit) -> float:
    """A threshold's bound in the unit of its metric."""
    if unit == "ms":
        return float(parse_duration(text))
    return quantity(text.removesuffix("%")) if unit == "percent" else quantity(text)


def show(value: float | None, unit: Unit) -> str:
    """A figure as a column shows it: `11.8ms`, `0.02%`, `1.2k`; a dash where there is none."""
    if value is None:
        return "-"
    if unit == "ms":
        return show_ms(value)
    if unit == "percent":
        return f"{_short(value)}%"
    return show_bytes(value) if unit == "bytes" else show_number(value)


def show_ms(value: float) -> str:
    if value < 1:
        return f"{value * 1000:.0f}µs"
    if value < 1000:
        return f"{_short(value)}ms"
    return f"{value / 1000:.3g}s" if value < 60_000 else f"{value / 60_000:.3g}m"


def show_bytes(value: float) -> str:
    for factor, suffix in ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB")):
        if abs(value) >= factor:
            return f"{_short(value / factor)}{suffix}"
    return f"{value:.0f}B"


def show_number(value: float) -> str:
    for factor, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= factor:
            return f"{_short(value / (factor if suffix != 'k' else 1000))}{suffix}"
    return _short(value)


def show_change(ratio: float | None) -> str:
    """A ratio as a signed change: 0.69 is `-31%`, 6.2 is `+520%`."""
    if ratio is None:
        return "-"
    percent = (ratio - 1) * 100
    return f"{percent:+.0f}%" if abs(percent) >= 1 else f"{percent:+.1f}%"


def _short(value: float) -> str:
    """Three digits: 11.8, 0.02, 1234."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:.0f}"
    text = f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
