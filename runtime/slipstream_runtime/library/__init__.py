"""The layers for applications: memoize, CircuitBreaker, Pool, on the same cores as the sidecar. Imports nothing of the proxy."""

from slipstream_runtime.library.circuit import Call, CircuitBreaker, CircuitStats
from slipstream_runtime.library.decorator import memoize
from slipstream_runtime.library.errors import CircuitOpen, ConnectFailed, LocalRefusal, PoolClosed, PoolTimeout, TooManyRequests
from slipstream_runtime.library.memo import Memoized, MemoStats
from slipstream_runtime.library.pool import Pool

__all__ = [
    "Call",
    "CircuitBreaker",
    "CircuitOpen",
    "CircuitStats",
    "ConnectFailed",
    "LocalRefusal",
    "MemoStats",
    "Memoized",
    "Pool",
    "PoolClosed",
    "PoolTimeout",
    "TooManyRequests",
    "memoize",
]
