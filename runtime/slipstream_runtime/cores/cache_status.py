"""Rendering of Cache-Status (RFC 9211) and Age (RFC 9111 §5.1). Pure; says what happened, decides nothing."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

CACHE: Final = b"slipstream"  # our name in Cache-Status

# Why a request went forward (RFC 9211 §2.2).
BYPASS: Final = "bypass"  # the policy, or a request that no rule takes
METHOD: Final = "method"
URI_MISS: Final = "uri-miss"  # nothing stored under its key
REQUEST: Final = "request"  # stored and fresh, but the request asked for more
STALE: Final = "stale"


# Answers that go past the cache for what their operation is: as a line of the head, the same for each of them.
NO_RULE: Final = b"\r\nCache-Status: slipstream; fwd=bypass; detail=no-rule"
NO_READ: Final = b"\r\nCache-Status: slipstream; fwd=method"  # no rule could take it
SHADOWED: Final = b"\r\nCache-Status: slipstream; fwd=bypass; detail=shadow"


def unasked(detail: str) -> bytes:
    """As a line: nothing was looked up and nobody asked, since it is no request of any pool. So neither `hit` nor `fwd` is right."""
    return b"\r\nCache-Status: %b; detail=%b" % (CACHE, detail.encode("ascii"))


def hit(ttl: float, detail: str = "") -> bytes:
    """Value for an answer from the store without going forward; `ttl` is negative for a stale one."""
    value = b"%b; hit; ttl=%d" % (CACHE, int(ttl // 1))
    return value + b"; detail=" + detail.encode("ascii") if detail else value


@lru_cache(256)  # reasons and details are tokens of our own: few
def forwarded(reason: str, *, stored: bool = False, collapsed: bool = False, status: int = 0, detail: str = "") -> bytes:
    """Value for an answer for which the upstream was asked. `status` is the upstream's where it differs from the answer's."""
    value = CACHE + b"; fwd=" + reason.encode("ascii")
    if status:
        value += b"; fwd-status=%d" % status
    if stored:
        value += b"; stored"
    if collapsed:
        value += b"; collapsed"
    if detail:
        value += b"; detail=" + detail.encode("ascii")
    return value


def age(seconds: float) -> bytes:
    """Value of Age."""
    return b"%d" % max(0, int(seconds))
