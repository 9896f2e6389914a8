"""The states of a circuit, and what is told of a change between two. Pure data; decides nothing (breaker)."""

from __future__ import annotations

from typing import Literal

from slipstream_runtime.cores.window import Window

State = Literal["Closed", "Open", "HalfOpen", "ForcedOpen", "ForcedClosed"]
Force = Literal["", "ForcedOpen", "ForcedClosed"]


class Transition:
    """A change of state, for logs and events."""

    __slots__ = ("after", "before", "calls", "failures", "operation", "reason", "rule", "slow")

    def __init__(self, rule: str, operation: str, before: State, after: State, reason: str, counted: Window) -> None:
        self.rule = rule
        self.operation = operation
        self.before: State = before
        self.after: State = after
        self.reason = reason
        self.calls: int = counted.calls
        self.failures: int = counted.failures
        self.slow: int = counted.slow
