"""The outcome in a Cache-Status header (RFC 9211): what the cache nearest to the caller did. Pure."""

from __future__ import annotations

import re
from typing import Final

HIT: Final = "hit"
_MEMBER: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*")+')
_PARAMETER: Final = re.compile(r'(?:[^";]|"(?:[^"\\]|\\.)*")+')
_FORWARDS: Final = frozenset({"bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"})


def outcome(header: str) -> str:
    """`hit`, `fwd=<reason>`, `fwd` for a reason that the RFC doesn't know, or empty where the header says neither.

    Members are ordered from the origin to the caller, so the last one counts.
    """
    members = _MEMBER.findall(header)
    if not members:
        return ""
    for parameter in _PARAMETER.findall(members[-1])[1:]:
        name, _, value = parameter.strip().partition("=")
        if name == "hit" and value in ("", "?1"):
            return HIT
        if name == "fwd":
            return f"fwd={value}" if value in _FORWARDS else "fwd"
    return ""
