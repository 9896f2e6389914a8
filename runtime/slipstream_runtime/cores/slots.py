"""What a connection pool is made of and what it tells its owner: slots, work, figures. Pure data; pool.PoolCore changes it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, Literal, TypeVar

from slipstream_runtime.cores.buckets import empty

C = TypeVar("C")
W = TypeVar("W", bound=Hashable)

# Why a waiter gets none. Connect is the upstream's failure and counts for a breaker; the others are ours and don't. TotalFull: all pools
# together have as many connections as they may.
Reason = Literal["Connect", "PendingFull", "AcquireTimeout", "Hopeless", "TotalFull", "Closed"]

IDLE: Final = 0
IN_USE: Final = 1
CLOSED: Final = 2


class Slot(Generic[C]):
    """One connection's place in the pool."""

    __slots__ = ("conn", "expires_at", "requests", "since", "state")

    def __init__(self, conn: C, expires_at: float, now: float) -> None:
        self.conn = conn
        self.expires_at = expires_at
        self.since: float = now  # of being idle, or in use
        self.state: int = IDLE
        self.requests: int = 0  # it was handed out so often


class Work(Generic[C, W]):
    """What is to be done now, in this order: close, grant, fail, dial (report each by `connected` or `connect_failed`)."""

    __slots__ = ("close", "dial", "fail", "grant", "made")

    def __init__(self) -> None:
        self.dial: int = 0
        self.close: list[C] = []
        self.grant: list[tuple[W, Slot[C]]] = []
        self.fail: list[tuple[W, Reason]] = []
        self.made: Slot[C] | None = None  # the place of the connection that `connected` reported, for its `lost`

    def __bool__(self) -> bool:
        return bool(self.dial or self.close or self.grant or self.fail)


class PoolStats:
    """Counters, named as psycopg_pool's; `_ms` are sums in milliseconds."""

    __slots__ = (
        "connections_errors",
        "connections_evicted",
        "connections_lost",
        "connections_ms",
        "connections_num",
        "requests_errors",
        "requests_num",
        "requests_queued",
        "requests_refused",
        "requests_wait_ms",
        "returns_bad",
        "usage_ms",
        "waits",
    )

    def __init__(self) -> None:
        self.connections_num: int = 0  # attempts to connect
        self.connections_ms: float = 0.0
        self.connections_errors: int = 0
        self.connections_lost: int = 0  # closed by the upstream while idle
        self.connections_evicted: int = 0  # closed while idle, to make room for another pool
        self.requests_num: int = 0
        self.requests_queued: int = 0
        self.requests_refused: int = 0  # at once, without waiting
        self.requests_wait_ms: float = 0.0
        self.waits: list[int] = empty()  # of those that waited and got one, by duration
        self.requests_errors: int = 0  # that got no connection
        self.returns_bad: int = 0  # came back unusable
        self.usage_ms: float = 0.0
