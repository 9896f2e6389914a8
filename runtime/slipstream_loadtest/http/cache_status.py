"""The outcome in a Cache-Status header (RFC 9211): what the cache nearest to the caller did. Pure."""

from __future__ import annotations

import re
from typing import Final

HIT: Final = "hit"
NOT_READ: Final = "fwd=method"  # no read: no cache could have answered it
_NO_RULE: Final = ("detail", "no-rule")  # the cache says that it isn't meant for this request
_MEMBER: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*")+')
_PARAMETER: Final = re.compile(r'(?:[^";]|"(?:[^"\\]|\\.)*")+')
_FORWARDS: Final = frozenset({"bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"})


def outcome(header: str) -> str:
    """`hit`, `fwd=<reason>`, `fwd` for a reason that the RFC doesn't know, or empty where the header says neither, or that no rule of the
    cache takes such a request.

    Members are ordered from the origin to the caller, so the last one counts.
    """
    members = _MEMBER.findall(header)
    if not members:
        return ""
    pairs = [(name, value) for name, _, value in (text.strip().partition("=") for text in _PARAMETER.findall(members[-1])[1:])]
    if _NO_RULE in pairs:
        return ""
    for name, value in pairs:
        if name == "hit" and value in ("", "?1"):
            return HIT
        if name == "fwd":
            return f"fwd={value}" if value in _FORWARDS else "fwd"
    return ""
