"""The sidecar's requests and limits: defaults, or what the pod's annotations say. Pure; never yields what the API server would refuse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from slipstream_operator.names import GROUP

SUFFIXES: Final = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{suffix: Decimal(1000) ** (i + 1) for i, suffix in enumerate("kMGTPE")},
    **{f"{suffix}i": Decimal(1024) ** (i + 1) for i, suffix in enumerate("KMGTPE")},
}
QUANTITY: Final = re.compile(r"\+?(\d+(?:\.\d*)?|\.\d+)(?:([eE][-+]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)")
SMALLEST: Final = {"cpu": Decimal("0.001"), "memory": Decimal(16 << 20)}  # the finest CPU there is; a Python that starts at all
KEYS: Final = {(f"{kind}", f"{bound}s"): f"{GROUP}/{kind}-{bound}" for kind in ("cpu", "memory") for bound in ("request", "limit")}


@dataclass(frozen=True, slots=True)
class Defaults:
    """Idle, the sidecar holds under 60 MB; its default cache adds 64Mi."""

    cpu_request: str = "25m"
    cpu_limit: str = "1"
    memory_request: str = "96Mi"
    memory_limit: str = "256Mi"

    def of(self, kind: str, bound: str) -> str:
        return str(getattr(self, f"{kind}_{bound.removesuffix('s')}"))


@dataclass(frozen=True, slots=True)
class Resources:
    """`values`: as a container has them. `problems`: one sentence for each annotation that was left aside or bent."""

    values: Mapping[str, Mapping[str, str]]
    problems: tuple[str, ...] = field(default=())


def resources(annotations: Mapping[str, str], defaults: Defaults) -> Resources:
    """Limits always, so that a quota on limits admits the pod; a request never above its limit."""
    values: dict[str, dict[str, str]] = {"requests": {}, "limits": {}}
    problems: list[str] = []
    for kind in ("cpu", "memory"):
        given = _given(kind, annotations, problems)
        for bound in ("requests", "limits"):
            values[bound][kind] = given.get(bound, defaults.of(kind, bound))
        _order(kind, values, given, problems)
    return Resources(values, tuple(problems))


def amount(text: str) -> Decimal | None:
    """The number that a quantity stands for; None where it's none."""
    match = QUANTITY.fullmatch(text)
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    return Decimal(number + (exponent or "")) * SUFFIXES[suffix or ""]


def _given(kind: str, annotations: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    found = {}
    for bound in ("requests", "limits"):
        key = KEYS[kind, bound]
        text = annotations.get(key)
        if text is None:
            continue
        value = amount(text.strip())
        if value is None or value < SMALLEST[kind]:
            problems.append(f"annotation {key}: {text!r} isn't a quantity of at least {_text(kind)}; the default is used")
        else:
            found[bound] = text.strip()
    return found


def _order(kind: str, values: dict[str, dict[str, str]], given: Mapping[str, str], problems: list[str]) -> None:
    """What is given wins over a default; of two given ones the limit does."""
    requested, limit = amount(values["requests"][kind]), amount(values["limits"][kind])
    if requested is None or limit is None or requested <= limit:
        return
    if "requests" in given and "limits" not in given:
        values["limits"][kind] = values["requests"][kind]
        return
    if "requests" in given:
        problems.append(f"annotation {KEYS[kind, 'requests']} is above {KEYS[kind, 'limits']}; the limit is used for both")
    values["requests"][kind] = values["limits"][kind]


def _text(kind: str) -> str:
    return "1m" if kind == "cpu" else "16Mi"
