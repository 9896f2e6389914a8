"""A circuit breaker around an application's own calls, on cores.breaker. Makes no call, waits for nobody, retries nothing."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import random as random_source
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar, Unpack, cast

from slipstream_api.clock import Clock, MonotonicClock
from slipstream_runtime.cores.breaker import REFUSED, Breaker
from slipstream_runtime.cores.transition import State, Transition
from slipstream_runtime.library.circuit_rule import CircuitOptions, complete, rule
from slipstream_runtime.library.errors import CircuitOpen, LocalRefusal

P = ParamSpec("P")
R = TypeVar("R")

_CLOCK: Final = MonotonicClock()
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CircuitStats:
    """`calls`, `failures`, `slow`: in the window; the rest since the start."""

    state: State
    calls: int
    failures: int
    slow: int
    trips: int
    refused: int
    would_refuse: int  # in Shadow


class Call:
    """One call through the circuit: a context manager, to be entered once. `fail()` says that it failed without raising."""

    __slots__ = ("_breaker", "_failed", "_permit", "_since")

    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker
        self._permit: int = REFUSED
        self._since: float = 0.0
        self._failed: bool = False

    def fail(self) -> None:
        """The answer came, and is itself the failure (a status, say)."""
        self._failed = True

    def __enter__(self) -> Self:
        if self._permit != REFUSED:
            raise RuntimeError("a Call is entered once")
        self._permit, self._since = self._breaker._acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        failed: bool | None = None
        try:
            failed = self._outcome(error)
        finally:  # even where the application's failure_on raises
            self._breaker._finish(self._permit, self._since, failed)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.__exit__(kind, error, trace)

    def _outcome(self, error: BaseException | None) -> bool | None:
        """Whether it failed; None: no outcome."""
        if error is None:
            return self._failed
        if not isinstance(error, Exception) or isinstance(error, LocalRefusal):
            return None  # cancelled, interrupted, or never sent
        return True if self._breaker.is_failure(error) else None


class CircuitBreaker:
    """Opens when too many calls fail, then lets a few probe. `with`, `async with` or a decorator; shared by tasks and threads.

    An exception that is a `failure_on` counts as a failure, another one not at all, the end of the block as a success. The options are
    described in CircuitOptions.
    """

    def __init__(
        self,
        name: str,
        *,
        failure_on: tuple[type[Exception], ...] | Callable[[Exception], bool] = (Exception,),
        on_transition: Callable[[Transition], None] | None = None,
        clock: Clock = _CLOCK,
        random: Callable[[], float] = random_source.random,
        **options: Unpack[CircuitOptions],
    ) -> None:
        settings = complete(options)
        self.name = name
        self._failure_on = failure_on
        self._on_transition = on_transition
        self._clock = clock
        self._lock = threading.Lock()
        self._transitions: list[Transition] = []  # to be told when the lock is free again
        self._core = Breaker(rule(name, settings), "", clock.now(), random, self._transitions.append, settings["probe_seconds"])
        self._entered: dict[object, list[Call]] = {}  # by task or thread: who is inside of `with breaker`

    def guard(self) -> Call:
        """One call's own context manager, for where the block is left by another task than the one that entered it."""
        return Call(self)

    def is_failure(self, error: Exception) -> bool:
        """It counts as the upstream's failure."""
        known = self._failure_on
        return isinstance(error, known) if isinstance(known, tuple) else known(error)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """As a decorator."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("a circuit breaker decorates functions and coroutine functions: use `with breaker` inside of the generator")
        wrapped = self._around_async(function) if inspect.iscoroutinefunction(function) else self._around(function)
        return cast("Callable[P, R]", wrapped)

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            with Call(self):
                return function(*args, **kwargs)

        return guarded

    def _around_async(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            with Call(self):
                return await function(*args, **kwargs)

        return guarded

    def __enter__(self) -> Call:
        call = Call(self).__enter__()
        with self._lock:
            self._entered.setdefault(_inside(), []).append(call)
        return call

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        inside = _inside()
        with self._lock:
            calls = self._entered.get(inside)
            if not calls:
                raise RuntimeError("`with breaker` is left by another task than entered it: use `with breaker.guard()`")
            call = calls.pop()
            if not calls:
                del self._entered[inside]
        call.__exit__(kind, error, trace)

    async def __aenter__(self) -> Call:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.__exit__(kind, error, trace)

    @property
    def state(self) -> State:
        """As a call would find it."""
        with self._lock:
            return self._core.state(self._clock.now())

    def force_open(self) -> None:
        """Nothing goes through until `reset`."""
        self._told(lambda now: self._core.force("ForcedOpen", now))

    def force_closed(self) -> None:
        """Everything goes through, uncounted, until `reset`."""
        self._told(lambda now: self._core.force("ForcedClosed", now))

    def reset(self) -> None:
        """Closed, with nothing counted."""
        self._told(self._core.reset)

    def stats(self) -> CircuitStats:
        with self._lock:
            core = self._core
            counted = core.window
            state = core.state(self._clock.now())
            return CircuitStats(state, counted.calls, counted.failures, counted.slow, core.trips, core.refused, core.would_refuse)

    # What a Call does

    def _acquire(self) -> tuple[int, float]:
        with self._lock:
            now = self._clock.now()
            permit = self._core.acquire(now)
            retry_after = self._core.retry_after(now) if permit == REFUSED else 0.0
        self._tell()
        if permit == REFUSED:
            raise CircuitOpen(self.name, retry_after)
        return permit, now

    def _finish(self, permit: int, since: float, failed: bool | None) -> None:
        with self._lock:
            now = self._clock.now()
            if failed is None:
                self._core.release(permit)
            else:
                self._core.record(permit, failed, now - since, now)
        self._tell()

    def _told(self, command: Callable[[float], None]) -> None:
        with self._lock:
            command(self._clock.now())
        self._tell()

    def _tell(self) -> None:
        """The application's callback must neither hold up other calls nor fail this one."""
        if not self._transitions:
            return
        with self._lock:
            due = self._transitions.copy()
            self._transitions.clear()
        for transition in due:
            if self._on_transition is None:
                continue
            try:
                self._on_transition(transition)
            except Exception:  # noqa: BLE001 (logged with its traceback)
                _log.exception("on_transition of circuit %s failed", self.name)


def _inside() -> object:
    """Who is running: the task, else the thread."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return task or threading.get_ident()
