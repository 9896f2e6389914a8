"""All circuits of one pool: one per rule, or per operation under it, bounded. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Final

from slipstream_api import config
from slipstream_runtime.cores.breaker import LEASE_SECONDS, Breaker
from slipstream_runtime.cores.transition import Force, Transition

MAX_CIRCUITS: Final = 512  # of operations, per pool; names come from rules, so this is a backstop
MAX_TRANSITIONS: Final = 256  # kept until they are drained
_LOOKED_AT: Final = 8  # when one must go: so many of the least recently used, to spare one that isn't closed


class Circuits:
    """The circuits of one pool; they outlive reloads as long as their rule's name and scope stay."""

    __slots__ = ("_held", "_lease", "_operations", "_random", "_rules", "_settings", "evictions", "transitions")

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._lease: float = LEASE_SECONDS
        self._held: dict[str, Force] = {}  # by rule: what all its circuits are held at, those that are still to come too
        self._settings: dict[str, config.BreakerRule] = {}
        self._rules: dict[str, Breaker] = {}
        self._operations: OrderedDict[tuple[str, str], Breaker] = OrderedDict()
        self.transitions: deque[Transition] = deque(maxlen=MAX_TRANSITIONS)
        self.evictions: int = 0

    def configure(self, rules: Sequence[config.BreakerRule], now: float, lease: float = LEASE_SECONDS) -> None:
        """The rules in force. `lease`: seconds after which a probe without a result counts as failed; more than a request may take."""
        kept = {rule.name: rule for rule in rules}
        self._settings = kept
        self._lease = lease
        for name in [name for name in self._rules if name not in kept or kept[name].scope != "Rule"]:
            del self._rules[name]
        for key in [key for key in self._operations if key[0] not in kept or kept[key[0]].scope != "Operation"]:
            del self._operations[key]
        for breaker in (*self._rules.values(), *self._operations.values()):
            breaker.reconfigure(kept[breaker.rule.name], lease, now)
        self._held = {name: forced for name, forced in self._held.items() if name in kept}
        for rule in rules:
            if rule.scope == "Rule" and rule.name not in self._rules:
                self._rules[rule.name] = self._new(rule, "", now)

    def get(self, circuit: tuple[str, str], now: float) -> Breaker | None:
        """The circuit of an operation (`Operation.circuit`); None where its rule is no longer in force."""
        name, operation = circuit
        if not operation:
            return self._rules.get(name)
        breaker = self._operations.get(circuit)
        if breaker is not None:
            self._operations.move_to_end(circuit)
            return breaker
        rule = self._settings.get(name)
        if rule is None or rule.scope != "Operation":
            return None
        if len(self._operations) >= MAX_CIRCUITS:
            self._evict(now)
        breaker = self._operations[circuit] = self._new(rule, operation, now)
        return breaker

    def peek(self, circuit: tuple[str, str]) -> Breaker | None:
        """As `get`, but makes and moves none; for explaining."""
        return self._operations.get(circuit) if circuit[1] else self._rules.get(circuit[0])

    def all(self) -> list[Breaker]:
        """For status and metrics: by rule, then by operation."""
        return sorted((*self._rules.values(), *self._operations.values()), key=lambda breaker: (breaker.rule.name, breaker.operation))

    def held(self, rule: str) -> Force:
        """What a circuit of this rule begins as; `""`: as the rule's mode says."""
        return self._held.get(rule, "")

    def force(self, rule: str, forced: Force, now: float, operation: str = "") -> int:
        """Holds (`""`: lets go and resets) every circuit of a rule, those that are still to come too, or that of one operation; how many
        there are."""
        if forced and not operation:
            self._held[rule] = forced
        elif not operation:
            self._held.pop(rule, None)
        found = [breaker for breaker in self.all() if breaker.rule.name == rule and operation in ("", breaker.operation)]
        for breaker in found:
            if forced:
                breaker.force(forced, now)
            else:
                breaker.reset(now)
        return len(found)

    def drain(self) -> list[Transition]:
        """The changes of state since the last call, oldest first."""
        transitions = list(self.transitions)
        self.transitions.clear()
        return transitions

    def _new(self, rule: config.BreakerRule, operation: str, now: float) -> Breaker:
        breaker = Breaker(rule, operation, now, self._random, self.transitions.append, self._lease)
        held = self.held(rule.name)
        if held:
            breaker.force(held, now)
        return breaker

    def _evict(self, now: float) -> None:
        """Forgets a circuit, a closed one if there is one among the least recently used."""
        oldest = [key for key, _ in zip(self._operations, range(_LOOKED_AT), strict=False)]
        closed = [key for key in oldest if self._operations[key].state(now) == "Closed"]
        del self._operations[(closed or oldest)[0]]
        self.evictions += 1
