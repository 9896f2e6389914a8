"""What the library raises of its own; never wraps what the application's functions raise."""

from __future__ import annotations


class LocalRefusal(Exception):  # noqa: N818 (a refusal, as the names below are the field's)
    """The call wasn't made, for a reason on this side; says nothing about the upstream, so no circuit ever counts it."""


class CircuitOpen(LocalRefusal):
    """The circuit lets nothing through. `retry_after`: seconds until it may; 0.0 where nobody can say (forced, or probes under way)."""

    def __init__(self, name: str, retry_after: float) -> None:
        hint = f"retry after {retry_after:.3g} s" if retry_after else "it is forced open, or its probes are under way"
        super().__init__(f"circuit {name!r} is open: {hint}")
        self.name = name
        self.retry_after = retry_after


class PoolTimeout(LocalRefusal, TimeoutError):  # noqa: N818 (psycopg_pool's name)
    """No connection came free within `timeout`."""


class TooManyRequests(LocalRefusal):
    """`max_waiting` others wait already."""


class PoolClosed(LocalRefusal):
    """The pool was closed, or never opened."""


class ConnectFailed(ConnectionError):  # noqa: N818 (as its siblings)
    """`open` failed, so that waiting is in vain; `__cause__` is what it raised. The upstream's failure: a circuit counts it."""
