"""What memoized functions share: what is asked, what is held, what a call's end means. Thread-safe; makes no call and waits for none."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, ParamSpec, Protocol, TypeVar

from slipstream_api.clock import Clock
from slipstream_runtime.cores.generations import Generations, Snapshot, path_scope
from slipstream_runtime.library.arguments import Unencodable, key_of
from slipstream_runtime.library.sizes import estimate
from slipstream_runtime.library.values import Held, Values

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
_NO_PATH: Final = path_scope("")


class Memoized(Protocol, Generic[P, R_co]):
    """A memoized function: called as the original."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def __get__(self, instance: Any, owner: type | None = None, /) -> Any: ...

    def invalidate(self, *tags: str) -> None:
        """Whatever was asked for before now, and carries one of `tags`, is never answered again; O(1)."""

    def clear(self) -> None:
        """As `invalidate`, everything."""

    def stats(self) -> MemoStats: ...


@dataclass(frozen=True, slots=True)
class MemoStats:
    """Counts since the start, but `entries` and `bytes` (estimated), which are as of now."""

    hits: int
    misses: int  # calls made
    coalesced: int  # waited for a call that another one made
    stale: int  # expired values that stood in for an error
    bypass: int  # without a partition: neither held nor shared
    stored: int
    rejected: int  # values not kept: invalidated meanwhile, or too large
    evictions: int
    expirations: int
    invalidations: int  # values found dead
    entries: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Of one memoized function, checked (decorator)."""

    ttl: float
    stale_if_error: float
    max_bytes: int
    tags: tuple[str, ...] | Callable[..., Sequence[str]]
    partition: Callable[..., object] | None  # None: shared
    key: Callable[..., object] | None
    size: Callable[[Any], int] | None
    copy: Callable[[Any], Any] | None
    clock: Clock


class Question:
    """One call's key and the present of what it depends on, captured before the call."""

    __slots__ = ("key", "snapshot")

    def __init__(self, key: bytes, snapshot: Snapshot) -> None:
        self.key = key
        self.snapshot = snapshot


class Outcome:
    """How a call ended, for all who waited for it."""

    __slots__ = ("error", "value")

    def __init__(self, value: object = None, error: Exception | None = None) -> None:
        self.value = value
        self.error = error


class Memo:
    """The state of one memoized function. `lock` guards all of it: the methods that say so are called with it held."""

    def __init__(self, function: Callable[..., Any], settings: Settings) -> None:
        self.function = function
        self.settings = settings
        self.clock: Final = settings.clock
        self.lock = threading.RLock()  # re-entrant: a dropped value's finalizer may come back here
        self.generations = Generations()
        self.values = Values(settings.max_bytes)
        self.hits = self.misses = self.coalesced = self.stale = self.bypass = self.stored = self.rejected = 0
        self._normal = _normaliser(function)
        self._scopes: tuple[int, ...] = ()
        if isinstance(settings.tags, tuple):
            self._scopes = tuple(self.generations.tag(tag) for tag in settings.tags)

    # Before a call

    def ask(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Question | None:
        """What is asked; None: the caller has no partition, so that nothing may be shared with it."""
        settings = self.settings
        owner: object = None
        if settings.partition is not None:
            owner = settings.partition(*args, **kwargs)
            if owner is None or (isinstance(owner, (str, bytes)) and not owner):  # unknown, not a caller of that name
                with self.lock:
                    self.bypass += 1
                return None
        asked = settings.key(*args, **kwargs) if settings.key is not None else self._normal(args, kwargs)
        try:
            key = key_of((owner, asked))
        except Unencodable as error:
            name = getattr(self.function, "__qualname__", "the function")
            raise TypeError(
                f"memoize can't tell the calls of {name} apart by {error} among arguments, key or partition: pass key= (and partition=)"
                " a function that returns what identifies the call, as str, bytes, int, or a tuple of them"
            ) from None
        with self.lock:
            return Question(key, self.generations.capture(self._scopes_of(args, kwargs), 0, _NO_PATH))

    def _scopes_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, ...]:
        tags = self.settings.tags
        if isinstance(tags, tuple):
            return self._scopes
        names = tags(*args, **kwargs)
        if isinstance(names, str):
            raise TypeError("tags= returned one str: return a tuple of tags")
        return tuple(self.generations.tag(name) for name in names)

    def find(self, question: Question) -> Held | None:
        """The fresh value, counted as a hit. With the lock held."""
        held = self.values.get(question.key, self.clock.now())
        if held is not None:
            self.hits += 1
        return held

    # After a call

    def conclude(self, question: Question, produce: Callable[[], object]) -> Outcome:
        """What all who waited get; `produce` returns the call's value or raises its error. Keeps the value, never an error."""
        try:
            value = produce()
        except Exception as error:  # noqa: BLE001 (whatever it is, it is handed on)
            return self._stand_in(question, error)
        try:
            size = self._size(value)
        except Exception as error:  # noqa: BLE001 (of the application's size=)
            return Outcome(error=error)
        now = self.clock.now()
        expires = now + self.settings.ttl
        held = Held(value, size, question.snapshot, expires, expires + self.settings.stale_if_error)
        with self.lock:
            if self.values.put(question.key, held, now):
                self.stored += 1
            else:
                self.rejected += 1
        return Outcome(value)

    def deliver(self, outcome: Outcome) -> Any:
        """To one caller."""
        if outcome.error is not None:
            raise outcome.error
        return self.hand_out(outcome.value)

    def hand_out(self, value: Any) -> Any:
        return value if self.settings.copy is None else self.settings.copy(value)

    def _stand_in(self, question: Question, error: Exception) -> Outcome:
        with self.lock:
            held = self.values.get_stale(question.key, self.clock.now())
            if held is None:
                return Outcome(error=error)
            self.stale += 1
            return Outcome(held.value)

    def _size(self, value: object) -> int:
        if inspect.isawaitable(value):
            if inspect.iscoroutine(value):
                value.close()
            raise TypeError(
                "the memoized function returned an awaitable, which can be awaited once only: memoize the async function itself"
            )
        if self.settings.size is None:
            return estimate(value, self.settings.max_bytes)
        size = self.settings.size(value)
        if size < 0:
            raise ValueError(f"size= returned {size}: a number of bytes is due")
        return size

    # What the application calls

    def invalidate(self, *tags: str) -> None:
        known = self.settings.tags
        if not tags:
            raise TypeError("invalidate() needs a tag; clear() invalidates everything")
        if isinstance(known, tuple) and not set(tags) <= set(known):
            raise ValueError(f"unknown tags {sorted(set(tags) - set(known))}: tags= names {sorted(known)}")
        with self.lock:
            self.generations.bump(tuple(self.generations.tag(tag) for tag in tags))

    def clear(self) -> None:
        with self.lock:
            self.generations.bump_everything()
            self.values.clear()

    def stats(self) -> MemoStats:
        with self.lock:
            values = self.values
            return MemoStats(
                hits=self.hits,
                misses=self.misses,
                coalesced=self.coalesced,
                stale=self.stale,
                bypass=self.bypass,
                stored=self.stored,
                rejected=self.rejected,
                evictions=values.evictions,
                expirations=values.expirations,
                invalidations=values.invalidations,
                entries=len(values),
                bytes=values.bytes,
            )


def _normaliser(function: Callable[..., Any]) -> Callable[[tuple[Any, ...], dict[str, Any]], object]:
    """Makes f(1, b=2), f(1, 2) and f(1) with a default of 2 one question."""
    signature = inspect.signature(function)
    plain = all(one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in signature.parameters.values())
    number = len(signature.parameters) if plain else -1

    def normal(args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        if len(args) == number and not kwargs:
            return (args, ())
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return (bound.args, tuple(sorted(bound.kwargs.items())))

    return normal
