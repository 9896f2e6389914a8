"""One circuit: closed, open, half-open, or forced; in Shadow it decides the same and refuses nothing. Pure; judges no message (outcomes).

Every call that is let through carries a permit, a number that is never used again after a change of state: results of an older
generation, and of probes whose lease ran out, are ignored. `release` gives a permit back without a result.

| state    | acquire                       | a result                                  | leaves when                        |
| Closed   | permit                        | counts in the window                      | a trip condition holds: Open       |
| Open     | refused                       | ignored                                   | its time is over: HalfOpen         |
| HalfOpen | a lease, `max_probes` at once | counts as a probe; no result in time: bad | enough good: Closed; too bad: Open |
| Forced*  | as forced                     | ignored                                   | told to                            |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from slipstream_api import config
from slipstream_runtime.cores.outcomes import Failures
from slipstream_runtime.cores.transition import Force, State, Transition
from slipstream_runtime.cores.window import FAILED, SLOW, Window, window

REFUSED: Final = -1  # the call must not be made
UNCOUNTED: Final = 0  # the call may be made, its result means nothing
LEASE_SECONDS: Final = 60.0  # of a probe, where the pool's request timeout isn't given


def _forced_by(rule: config.BreakerRule) -> Force:
    mode = rule.mode
    return mode if mode == "ForcedOpen" or mode == "ForcedClosed" else ""


class Breaker:
    """The circuit of `rule`, or of one operation under it. Counters: `trips`, `refused`, `would_refuse` (in Shadow)."""

    __slots__ = ("_asked_until", "_base", "_consecutive", "_forced", "_good", "_hold", "_lease", "_leases", "_on_transition",
                 "_open_until", "_random", "_results", "_serial", "_since", "_slow_after", "_state", "_streak", "excused", "failures",
                 "most", "operation", "refused", "rule", "shadow", "trips", "under_way", "window", "would_refuse")  # fmt: skip

    def __init__(
        self,
        rule: config.BreakerRule,
        operation: str,
        now: float,
        random: Callable[[], float],
        on_transition: Callable[[Transition], None],
        lease: float = LEASE_SECONDS,
    ) -> None:
        self.rule = rule
        self.failures = Failures(rule.failure_on)
        self.operation = operation
        self._random = random
        self._on_transition = on_transition
        self._lease: float = lease
        self._serial: int = 1  # the last permit's number
        self._base: int = 1  # the first number of this generation
        self._state: State = "Closed"
        self._forced: Force = ""  # by command
        self._hold: Force = _forced_by(rule)  # by command, else by the rule's mode
        self._since: float = now
        self._open_until: float = 0.0
        self._asked_until: float = 0.0
        self._streak: int = 0  # trips since it was last closed
        self._consecutive: int = 0
        self._leases: dict[int, float] = {}
        self.excused: set[int] = set()  # probes whose time is their callers', so that the end of their lease means nothing
        self._good: int = 0
        self._results: int = 0
        self.window: Window = window(rule.window, now)
        self.trips: int = 0
        self.refused: int = 0
        self.would_refuse: int = 0
        self.under_way: int = 0  # calls, as their owner counts them
        self.shadow: bool = rule.mode == "Shadow"
        self._slow_after: float = rule.trip.slow_call_duration_ms / 1_000
        self.most: int = rule.max_concurrent_calls

    # What the data path calls

    def acquire(self, now: float, sent: bool = True) -> int:
        """A permit for one call, or REFUSED. Give it back once, by `record` or `release`; `renew` it first if the call isn't `sent` yet."""
        if self._state == "Closed" and not self._hold:
            return self._base
        if self._hold:
            if self._hold == "ForcedClosed":
                return UNCOUNTED
            self.refused += 1
            return REFUSED
        permit = self._probe(now, sent)
        if permit != REFUSED:
            return permit
        if self.shadow:
            self.would_refuse += 1
            return UNCOUNTED
        self.refused += 1
        return REFUSED

    def record(self, permit: int, failed: bool, seconds: float, now: float) -> None:
        """The result of a call that took `seconds`."""
        if permit < self._base or self._hold:
            return
        slow = seconds >= self._slow_after
        if self._state == "Closed":
            counted = self.window
            if failed or slow:
                counted.record((FAILED if failed else 0) | (SLOW if slow else 0), now)
            else:
                counted.good(now)
            if failed or counted.failures or counted.slow:
                self._judge(failed, now)
            else:
                self._consecutive = 0
        elif self._state == "HalfOpen" and permit in self._leases:
            self.release(permit)
            self._probed(not failed and not (slow and self.rule.trip.slow_call_rate_percent), now)

    def release(self, permit: int) -> None:
        """The call has no result: cancelled, refused by our own pool, or answered with what isn't the upstream's fault nor merit."""
        self._leases.pop(permit, None)
        self.excused.discard(permit)

    def renew(self, permit: int, now: float, excused: bool) -> None:
        """A probe's lease begins anew: its call is sent. Or, `excused`, it was answered, and what it takes now is its caller's time."""
        if permit in self._leases:
            self._leases[permit] = now + self._lease
            if excused:
                self.excused.add(permit)
            else:
                self.excused.discard(permit)

    def asked(self, seconds: float, now: float) -> None:
        """The upstream asks not to be called for so long (Retry-After): should the circuit open, it stays open until then."""
        self._asked_until = max(self._asked_until, now + seconds)

    @property
    def full(self) -> bool:
        """As many calls are under way as the rule lets be."""
        return 0 < self.most <= self.under_way and not self.shadow

    def lets_all(self, now: float) -> bool:
        """Whether calls go through that are no probes."""
        return self.shadow or self.state(now) in ("Closed", "ForcedClosed")

    # What people and reloads call

    def state(self, now: float) -> State:
        """As a call would find it."""
        if self._hold:
            return self._hold
        if self._state == "Open" and now >= self._open_until:
            return "HalfOpen"
        return self._state

    def since(self, now: float) -> float:
        """Seconds in this state."""
        if not self._hold and self._state == "Open" and now >= self._open_until:
            return now - self._open_until
        return now - self._since

    def retry_after(self, now: float) -> float:
        """Seconds until a call may be let through; 0 when one may be now, and when nobody can say (forced, all probes under way)."""
        if self._hold or self._state != "Open":
            return 0.0
        return max(0.0, self._open_until - now)

    def force(self, forced: Force, now: float) -> None:
        """Holds the circuit, whatever its rule's mode; until `reset`."""
        before = self.state(now)
        self._forced = forced
        self._hold = forced or _forced_by(self.rule)
        self._since = now
        self._announce(before, self.state(now), "command")

    def reset(self, now: float) -> None:
        """Back to closed with nothing counted; lifts `force`, not a forced mode of the rule."""
        before = self.state(now)
        self._forced = ""
        self._hold = _forced_by(self.rule)
        self._close(now)
        self._announce(before, self.state(now), "command")

    def reconfigure(self, rule: config.BreakerRule, lease: float, now: float) -> None:
        """New parameters. State, trips and probes stay; so does what was counted, where the window is the same."""
        before = self.state(now)
        old, new = self.rule.window, rule.window
        if (new.type, new.calls, new.duration_ms) != (old.type, old.calls, old.duration_ms):
            self.window = window(rule.window, now)
        self.rule = rule
        self.failures = Failures(rule.failure_on)
        self.most = rule.max_concurrent_calls
        self._hold = self._forced or _forced_by(rule)
        self.shadow = rule.mode == "Shadow"
        self._slow_after = rule.trip.slow_call_duration_ms / 1_000
        self._lease = lease
        self._open_until = min(self._open_until, now + rule.open.max_duration_ms / 1_000)
        after = self.state(now)
        if after != before:
            self._since = now
            self._announce(before, after, "reload")

    def expire(self, now: float) -> None:
        """Counts probes whose lease ran out as bad, but for excused ones; `acquire` does so by itself, a sweep may."""
        if self._state == "HalfOpen" and self._leases:
            for permit in [permit for permit, deadline in self._leases.items() if now >= deadline]:
                if permit in self._leases:
                    bad = permit not in self.excused
                    self.release(permit)
                    if bad:
                        self._probed(False, now)

    # Decisions

    def _probe(self, now: float, sent: bool) -> int:
        if self._state == "Open":
            if now < self._open_until:
                return REFUSED
            self._half_open(now)
        else:
            self.expire(now)
            if self._state != "HalfOpen":
                return REFUSED
        if len(self._leases) >= self.rule.half_open.max_probes:
            return REFUSED
        self._serial += 1
        self._leases[self._serial] = now + self._lease
        if not sent:
            self.excused.add(self._serial)
        return self._serial

    def _judge(self, failed: bool, now: float) -> None:
        """Whether what was counted, the last of it just now, is too much."""
        counted = self.window
        self._consecutive = self._consecutive + 1 if failed else 0
        trip = self.rule.trip
        if failed and trip.consecutive_failures and self._consecutive >= trip.consecutive_failures:
            self._open(now, "consecutive-failures")
        elif counted.calls >= self._minimum():
            percent = 100
            if trip.failure_rate_percent and counted.failures * percent >= trip.failure_rate_percent * counted.calls:
                self._open(now, "failure-rate")
            elif trip.slow_call_rate_percent and counted.slow * percent >= trip.slow_call_rate_percent * counted.calls:
                self._open(now, "slow-call-rate")

    def _minimum(self) -> int:
        settings = self.rule.window
        return min(settings.minimum_calls, settings.calls) if settings.type == "Count" else settings.minimum_calls

    def _probed(self, good: bool, now: float) -> None:
        """Closes or opens as soon as the remaining probes can't change which."""
        self._results += 1
        self._good += good
        settings = self.rule.half_open
        needed = -(-settings.success_rate_percent * settings.minimum_probes // 100)  # rounded up
        if self._results >= settings.minimum_probes and self._good >= needed:
            before = self._state
            self._close(now)
            self._announce(before, "Closed", "probes-succeeded")
        elif self._results - self._good > settings.minimum_probes - needed:
            self._open(now, "probes-failed")

    # Changes of state

    def _enter(self, state: State, now: float) -> None:
        self._state = state
        self._since = now
        self._serial += 1
        self._base = self._serial
        self._leases = {}
        self.excused = set()
        self._good = self._results = self._consecutive = 0

    def _open(self, now: float, reason: str) -> None:
        before = self._state
        settings = self.rule.open
        factor = float(settings.backoff_percent / 100) ** min(self._streak, 64)
        duration = min(settings.duration_ms / 1_000 * factor, settings.max_duration_ms / 1_000)
        duration *= 1.0 - settings.jitter_percent / 100 * self._random()  # shorter only, so that the cap holds and is spread as well
        asked = min(self._asked_until, now + settings.max_duration_ms / 1_000)
        self._open_until = max(now + duration, asked)
        self._streak += 1
        self.trips += 1
        self._enter("Open", now)
        self._announce(before, "Open", reason)
        self.window.clear()

    def _half_open(self, now: float) -> None:
        self._enter("HalfOpen", now)
        self._announce("Open", "HalfOpen", "open-time-over")

    def _close(self, now: float) -> None:
        self._enter("Closed", now)
        self._streak = 0
        self._asked_until = 0.0
        self.window.clear()

    def _announce(self, before: State, after: State, reason: str) -> None:
        if before != after:
            self._on_transition(Transition(self.rule.name, self.operation, before, after, reason, self.window))
