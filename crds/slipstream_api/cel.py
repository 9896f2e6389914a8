"""What CEL's duration() and quantity() make of a text, for the Python twins of rules. Pure; specs are read by scalars, which is stricter.

A rule is evaluated although a pattern or a bound has been missed, so that a twin meets texts that are no duration of ours: `-1s` and `1.5s`
are durations to CEL, `10` is none. Sources: Go's time.ParseDuration, Kubernetes' resource.ParseQuantity.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

INT64_MAX: Final = 2**63 - 1
_DURATION: Final = re.compile(r"([-+]?)(0|(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)")
_TERM: Final = re.compile(r"([0-9]*\.?[0-9]*)(ns|us|µs|μs|ms|s|m|h)")
_NANOSECONDS: Final = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_QUANTITY: Final = re.compile(r"([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][-+]?[0-9]{1,3})?")
_FACTORS: Final = {
    "": Fraction(1),
    **{unit: Fraction(1, 1000**power) for power, unit in enumerate("mun", 1)},
    **{unit: Fraction(1000**power) for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Fraction(1024**power) for power, unit in enumerate("KMGTPE", 1)},
}


def duration(text: str) -> Fraction:
    """Nanoseconds; ValueError where CEL reports an error of the evaluation."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration")
    total = sum((Fraction(number) * _NANOSECONDS[unit] for number, unit in _TERM.findall(match[2])), Fraction(0))
    if total > INT64_MAX:
        raise ValueError(f"{text!r} is too long a duration")
    return -total if match[1] == "-" else total


def quantity(value: str | int) -> Fraction:
    """The number that a quantity is; ValueError where CEL reports an error of the evaluation."""
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{value!r} is no quantity")
    number, unit = match[1], match[2] or ""
    if unit[:1] in ("e", "E") and len(unit) > 1 and unit != "Ei":
        return Fraction(number) * Fraction(10) ** int(unit[1:])
    return Fraction(number) * _FACTORS[unit]
