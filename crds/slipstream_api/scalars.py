"""Durations, quantities and names as text, and back. Pure; the patterns are those that the API server checks.

Durations follow GEP-2257 (`250ms`, `5m`, `1h30m`); sizes are Kubernetes quantities (`64Mi`, `1500k`).
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

DURATION_PATTERN: Final = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
QUANTITY_PATTERN: Final = r"^[0-9]{1,12}(\.[0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
NUMBER_PATTERN: Final = r"^[0-9]{1,12}([.][0-9]{1,6})?(k|M|G|Ki|Mi|Gi)?$"  # what a threshold may bound with
NAME_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"

_UNIT_MS: Final = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_FACTORS: Final = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGT", 1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGT", 1)},
}
_TERM: Final = re.compile(r"([0-9]+)(ms|h|m|s)")
_QUANTITY: Final = re.compile(QUANTITY_PATTERN)


def parse_duration(text: str) -> int:
    """Milliseconds of a GEP-2257 duration; ValueError that says what one looks like."""
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is no duration: write it like 250ms, 30s, 5m or 1h30m")
    return sum(int(number) * _UNIT_MS[unit] for number, unit in _TERM.findall(text))


def format_duration(ms: int) -> str:
    """The shortest GEP-2257 text of so many milliseconds: 90000 → `1m30s`, 0 → `0s`."""
    parts = []
    for unit in ("h", "m", "s", "ms"):
        count, ms = divmod(ms, _UNIT_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_quantity(value: str | int) -> int:
    """The whole number that a quantity is (bytes for a size), rounded up as Kubernetes does; ValueError otherwise."""
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{value!r} is no size: write it like 512Ki, 64Mi or 1G")
    unit = match.group(2) or ""
    number = Decimal(str(value).removesuffix(unit)) * _FACTORS[unit]
    return int(number.to_integral_value(rounding="ROUND_CEILING"))
