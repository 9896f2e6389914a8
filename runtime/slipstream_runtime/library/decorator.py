"""`memoize`: checks what it is told once, at decoration, and puts a memoized function in the original's place. Makes no call."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, ParamSpec, TypeVar, cast

from slipstream_api.clock import Clock, MonotonicClock
from slipstream_runtime.library import memo_async, memo_sync
from slipstream_runtime.library.memo import Memo, Memoized, Settings

P = ParamSpec("P")
R = TypeVar("R")

MAX_BYTES: Final = 64 << 20  # as a CachePolicy's store
_CLOCK: Final = MonotonicClock()


def memoize(
    *,
    ttl: float,
    partition: Literal["shared"] | Callable[..., object] | None = None,
    tags: Sequence[str] | Callable[..., Sequence[str]] = (),
    max_bytes: int = MAX_BYTES,
    stale_if_error: float = 0.0,
    key: Callable[..., object] | None = None,
    size: Callable[[Any], int] | None = None,
    copy: Callable[[Any], Any] | None = None,
    clock: Clock = _CLOCK,
) -> Callable[[Callable[P, R]], Memoized[P, R]]:
    """Keeps what a function, or coroutine function, returns for `ttl` seconds; those who ask for the same at once share one call.

    `partition`, `key` and callable `tags` are called with the function's own arguments. Errors are never kept, a None is.
    """
    settings = Settings(
        ttl=_seconds("ttl", ttl, 0.0),
        stale_if_error=_seconds("stale_if_error", stale_if_error, -1.0),
        max_bytes=_bytes(max_bytes),
        tags=_tags(tags),
        partition=_partition(partition),
        key=key,
        size=size,
        copy=copy,
        clock=clock,
    )

    def decorate(function: Callable[P, R]) -> Memoized[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("memoize takes no generators: what they yield can be read once only; return a list or a tuple")
        memo = Memo(function, settings)
        wrapped: Any = memo_async.wrap(memo) if inspect.iscoroutinefunction(function) else memo_sync.wrap(memo)
        wrapped.invalidate = memo.invalidate
        wrapped.clear = memo.clear
        wrapped.stats = memo.stats
        return cast("Memoized[P, R]", wrapped)

    return decorate


def _partition(partition: object) -> Callable[..., object] | None:
    if partition == "shared":
        return None
    if partition is None:
        raise TypeError(
            "memoize needs partition=: a function of the arguments that returns whose answer it is (user, session, tenant), so that no"
            ' caller is given another one\'s; or partition="shared" where the answer is the same for everybody'
        )
    if not callable(partition) or inspect.iscoroutinefunction(partition):
        raise TypeError(f'partition= is a plain function of the arguments, or "shared"; not {partition!r}')
    return partition


def _tags(tags: Sequence[str] | Callable[..., Sequence[str]]) -> tuple[str, ...] | Callable[..., Sequence[str]]:
    if callable(tags):
        return tags
    if isinstance(tags, str):
        raise TypeError(f"tags= is a sequence of tags: ({tags!r},)")
    return tuple(tags)


def _seconds(name: str, value: float, above: float) -> float:
    if not math.isfinite(value) or value <= above or value < 0:
        raise ValueError(f"{name}={value!r}: a number of seconds is due, {'0 or more' if above < 0 else 'more than 0'}")
    return value


def _bytes(value: int) -> int:
    if value <= 0:
        raise ValueError(f"max_bytes={value!r}: a positive number of bytes is due")
    return value
