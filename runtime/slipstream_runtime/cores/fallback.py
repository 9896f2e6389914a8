"""Which step of a fallback chain answers, by cause. Pure; the chosen answer is never an outcome for a breaker.

An answer that the upstream did give (UpstreamStatus) is only ever replaced by another answer: a static text would hide what it said.
A chain says all: without a StaleCache step for a cause nothing stale is served for it. Without a chain, stale-if-error of the cache rule
speaks for itself."""

from __future__ import annotations

from typing import Final

from slipstream_api.config import Cause as Cause
from slipstream_api.config import Fallback

# RFC 5861 §4: an answer that says the upstream is in trouble may be replaced by an older good one, or by another upstream's.
TROUBLE: Final = frozenset((500, 502, 503, 504))
STALE: Final = Fallback(type="StaleCache")
# What the caller gets without any step: RFC 9110 §15.6. Overload is ours, not the upstream's.
STATUS: Final[dict[Cause, int]] = {"CircuitOpen": 503, "Overload": 503, "Timeout": 504, "Connect": 502, "Reset": 502}


def choose(steps: tuple[Fallback, ...], cause: Cause, stale_at_hand: bool, elsewhere: bool = True) -> Fallback | None:
    """The first applicable step; None: answer with STATUS[cause], or pass on the upstream's own answer. `stale_at_hand`: an entry under
    this very request's key, so of the same partition (Store.get_stale). `elsewhere`: the request may go to another upstream."""
    if not steps:
        return STALE if stale_at_hand else None
    for step in steps:
        if step.causes and cause not in step.causes:
            continue
        if step.type == "StaleCache":
            if stale_at_hand:
                return step
        elif step.type == "Upstream":
            if elsewhere:
                return step
        elif cause != "UpstreamStatus":
            return step
    return None


def retry_after(step: Fallback | None, cause: Cause, open_for: float) -> int:
    """Seconds for Retry-After, 0 for none: the step's own, else how long the circuit stays open, rounded up."""
    if step is not None and step.retry_after_ms:
        return max(1, -(-step.retry_after_ms // 1_000))
    return max(1, int(-(-open_for // 1))) if cause == "CircuitOpen" and open_for > 0 else 0
