"""What a pool keeps for its life, across configurations: connections, stored answers, circuits, figures, requests under way."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable
from typing import Final

from slipstream_api.config import Pool
from slipstream_runtime.cores.circuits import Circuits
from slipstream_runtime.cores.flight import Flights
from slipstream_runtime.cores.gathering import Gathering
from slipstream_runtime.cores.key import SECRET_BYTES
from slipstream_runtime.cores.plan import PoolCache
from slipstream_runtime.cores.refreshes import Refreshes
from slipstream_runtime.cores.retry import RetryBudget
from slipstream_runtime.cores.store import Store
from slipstream_runtime.observe.figures import PoolFigures
from slipstream_runtime.proxy.attempt_spans import TracedDriver
from slipstream_runtime.proxy.batching import BatchedExchange, send
from slipstream_runtime.proxy.caching import CachedExchange
from slipstream_runtime.proxy.checks import Checker
from slipstream_runtime.proxy.context import Context
from slipstream_runtime.proxy.dialer import Dialer
from slipstream_runtime.proxy.driver import PoolDriver
from slipstream_runtime.proxy.tracker import Tracker

SECRET: Final = os.urandom(SECRET_BYTES)  # cache keys of one process mean nothing to another
LEASE_MARGIN: Final = 5.0  # seconds that a breaker's probe is waited for beyond its request's deadline

log = logging.getLogger("slipstream.circuit")


class PoolState:
    """One upstream's. A pool that is removed and comes back gets a new one."""

    def __init__(self, config: Pool, context: Context, dialer: Dialer, uniform: Callable[[], float] = random.random) -> None:
        self.context = context
        self.uniform = uniform
        self.retry_budget = RetryBudget(context.clock.now())
        self.cache = PoolCache(SECRET, uniform)
        self.flights: Flights[CachedExchange] = Flights()
        self.refreshes = Refreshes()
        self.gathering: Gathering[BatchedExchange] = Gathering()
        self.circuits = Circuits(uniform)
        self.figures = PoolFigures()
        self.tracker = Tracker()
        self.stores: dict[str, Store] = {}
        driver = PoolDriver if context.tracing is None else TracedDriver
        self.driver: PoolDriver = driver(config.name, config.upstream, config.limits, context, dialer, uniform)
        self.checker = Checker(config, context, dialer, uniform)
        self.retired = False

    def configure(self, config: Pool, stores: dict[str, Store]) -> None:
        """`config` comes into force with the stores of all policies; it was checked before, so nothing here can fail."""
        now = self.context.clock.now()
        self.driver.name = config.name
        self.driver.resize(config.limits)
        self.circuits.configure(config.breaker_rules, now, config.limits.request_timeout_ms / 1_000 + LEASE_MARGIN)
        self.cache.commit(config)
        self.stores = stores
        self.checker.configure(config.health_check)

    def retire(self) -> None:
        """The pool is gone from the configuration: what is under way ends as it began, nothing stays idle."""
        self.retired = True
        self.driver.drain()
        self.checker.configure(None)

    @property
    def finished(self) -> bool:
        return self.retired and not len(self.tracker) and self.driver.core.drained

    def sweep(self, now: float) -> None:
        for group in self.gathering.due(now):
            send(group, now)
        self.tracker.sweep(now)
        self.cache.generations.settle(now)
        self.driver.sweep(now)
        self.checker.sweep(now)
        for transition in self.circuits.drain():
            self.figures.transitions += 1
            log.warning(
                "circuit",
                extra={
                    "pool": self.driver.name,
                    "rule": transition.rule,
                    "operation": transition.operation,
                    "before": transition.before,
                    "after": transition.after,
                    "reason": transition.reason,
                    "calls": transition.calls,
                    "failures": transition.failures,
                    "slow": transition.slow,
                },
            )
