"""How much of a result fits into its ConfigMap, and the smaller forms for one that is refused all the same. Pure; stores nothing.

The API server counts the values of `data` and `binaryData` together, the latter as the bytes that their base64 stands for.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipstream_loadtest.report.bounded import fitted, plain
from slipstream_loadtest.report.document import read_report

CONFIG_MAP_LIMIT: Final = 1 << 20  # bytes
RESERVE: Final = 64 << 10  # bytes: for what others add, as admission webhooks do


@dataclass(frozen=True, slots=True)
class Form:
    """One way to store a result. `lacks`: what it is without, in words; empty for the whole."""

    document: str
    measured: str
    lacks: str = ""


def room(measured: str, beside: Mapping[str, Any]) -> int:
    """Bytes that the report may have. `measured`: base64, stored with it; `beside`: members that are added to it."""
    return CONFIG_MAP_LIMIT - RESERVE - decoded(measured) - len(as_text(beside))


def decoded(text: str) -> int:
    """Bytes that a text in base64 stands for."""
    return len(base64.b64decode(text))


def as_text(document: Mapping[str, Any]) -> str:
    """Compact, and ASCII: its characters are its bytes."""
    return json.dumps(dict(document), separators=(",", ":"))


def forms(document: str, measured: str) -> Iterator[Form]:
    """Whole, then without what later runs are compared with, then the verdict and the figures of stages alone."""
    yield Form(document, measured)
    if measured:
        yield Form(document, "", "what a later run could be compared with")
    smallest = plain(fitted(read_report(document), 0))
    smallest["omitted"] = list(dict.fromkeys(smallest["omitted"]))
    yield Form(as_text(json.loads(document) | smallest), "", "all but the verdict and the figures of stages")
