"""How long an answer may be of use after its time, and for what: RFC 5861, and the policy's own bounds. Pure; reads no clock."""

from __future__ import annotations

from typing import Final

from slipstream_api.config import CacheRule
from slipstream_runtime.cores.directives import Directives

KEEP: Final = 600.0  # seconds that an expired answer with a validator is kept, for the upstream to say that it is still right
MOST: Final = 86_400.0  # seconds that an upstream may grant where the policy sets no bound


class Grace:
    """Seconds after an answer's time; immutable and shared, so that an entry needs one reference.

    revalidate: it is served while a new one is fetched (stale-while-revalidate). error: it may stand in for a failure
    (stale-if-error). open: the same while the circuit is open. keep: the upstream may be asked whether it is still right; 0 without a
    validator. strict: it is never served stale, whatever a request allows (RFC 9111 §4.2.4)."""

    __slots__ = ("error", "keep", "open", "retention", "revalidate", "strict")

    def __init__(self, revalidate: float, error: float, opened: float, keep: float, strict: bool = False) -> None:
        self.revalidate = revalidate
        self.error = error
        self.open = opened
        self.keep = keep
        self.strict = strict
        self.retention: float = max(revalidate, error, opened, keep)  # for so long it is kept

    def shortened(self, bounds: Grace) -> Grace:
        """Nothing longer than `bounds` allow; what an upstream forbade stays forbidden."""
        if bounds is self:
            return self
        revalidate, error, opened = min(self.revalidate, bounds.revalidate), min(self.error, bounds.error), min(self.open, bounds.open)
        return Grace(revalidate, error, opened, self.keep, self.strict)


NONE: Final = Grace(0.0, 0.0, 0.0, 0.0)
STRICT: Final = Grace(0.0, 0.0, 0.0, 0.0, True)
STRICT_KEPT: Final = Grace(0.0, 0.0, 0.0, KEEP, True)


class GraceRule:
    """What a cache rule grants. `plain` and `kept` (with a validator) are for answers whose upstream says nothing about it;
    `bounds` is the most that any answer of the rule may have, for answers that were stored under an earlier rule."""

    __slots__ = ("_error", "_open", "_revalidate", "bounds", "kept", "plain")

    def __init__(self, rule: CacheRule) -> None:
        self._revalidate = _seconds(rule.stale_while_revalidate_ms)
        self._error = _seconds(rule.stale_if_error_ms)
        self._open = _seconds(rule.stale_while_open_ms)
        self.plain: Grace = self._granted(None, None, 0.0)
        self.kept: Grace = self._granted(None, None, KEEP)
        silent = rule.upstream_directives == "Ignore"
        self.bounds: Grace = self.kept if silent else self._widest()

    def granted(self, directives: Directives, validator: bool) -> Grace:
        """Of an answer with these directives (Honor)."""
        if b"must-revalidate" in directives or b"proxy-revalidate" in directives or b"s-maxage" in directives:
            return STRICT_KEPT if validator else STRICT
        revalidate, error = directives.seconds(b"stale-while-revalidate"), directives.seconds(b"stale-if-error")
        if revalidate is None and error is None:
            return self.kept if validator else self.plain
        return self._granted(revalidate, error, KEEP if validator else 0.0)

    def confirmed(self, directives: Directives) -> Grace:
        """Of an answer with a validator and without a life (Honor): it is never served unconfirmed, whatever the rule grants, but for as
        long as it says itself (RFC 5861)."""
        revalidate, error = directives.seconds(b"stale-while-revalidate"), directives.seconds(b"stale-if-error")
        if b"no-cache" in directives or (revalidate is None and error is None):
            return STRICT_KEPT
        granted = self.granted(directives, True)
        return granted if granted.strict else self._granted(revalidate or 0, error or 0, KEEP)

    def _granted(self, revalidate: int | None, error: int | None, keep: float) -> Grace:
        """With what the upstream says, None where it says nothing."""
        of_error = _least(self._error, error)
        of_open = max(of_error, self._open if error is None else min(self._open, float(error)))
        return Grace(_least(self._revalidate, revalidate), of_error, of_open, keep)

    def _widest(self) -> Grace:
        """Where the policy sets no bound, an upstream may grant the most there is."""
        error = MOST if self._error < 0 else self._error
        return Grace(MOST if self._revalidate < 0 else self._revalidate, error, max(error, self._open), KEEP)


def _least(policy: float, heard: int | None) -> float:
    """Of a bound (-1 for none) and what the upstream says."""
    if heard is None:
        return max(policy, 0.0)
    return min(float(heard), MOST if policy < 0 else policy)


def _seconds(milliseconds: int | None) -> float:
    """-1 for what isn't set."""
    return -1.0 if milliseconds is None else milliseconds / 1_000
