"""The pools in force: built from a configuration beside those that serve, then put in their place in one step. Opens no socket.

A pool lives on across configurations as long as its name and upstream stay: with it its connections, stored answers and circuits.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from slipstream_api.config import Limits, Pool, RuntimeConfig, StoreConfig, Upstream
from slipstream_api.fallbacks import dead_ends
from slipstream_runtime.compression import codec_of
from slipstream_runtime.cores.outcomes import Failures
from slipstream_runtime.cores.route import Router
from slipstream_runtime.cores.store import Store
from slipstream_runtime.proxy.context import Context
from slipstream_runtime.proxy.dialer import Dialer
from slipstream_runtime.proxy.service import HttpService
from slipstream_runtime.proxy.state import PoolState
from slipstream_runtime.proxy.sweep import Swept
from slipstream_runtime.proxy.warming import Warmer

Place = tuple[str, int]  # an upstream's (host, port)
# Pass-through must not cut what went through without us: bounds that only a runaway meets, and no deadline that a long poll could.
PASS_THROUGH_LIMITS: Final = Limits(max_connections=10_000, max_pending=100_000, connect_timeout_ms=10_000, request_timeout_ms=3_600_000)


class ConfigRefused(Exception):  # noqa: N818 - an answer, not a malfunction
    """A configuration that can't be enforced as a whole; the one before stays in force."""


class Prepared:
    """A configuration that was checked and built; nothing of it is in force yet."""

    def __init__(self, config: RuntimeConfig, built: dict[str, tuple[Pool, PoolState, Router]]) -> None:
        self.config = config
        self.built = built


class Pools:
    """Which service answers for which upstream."""

    def __init__(self, context: Context, dialer: Dialer, uniform: Callable[[], float] = random.random) -> None:
        self._context = context
        self._dialer = dialer
        self._uniform = uniform
        self._states: dict[str, PoolState] = {}
        self._passing: dict[Place, HttpService] = {}
        self._retired: list[PoolState] = []
        self._stores: dict[str, Store] = {}
        self._warmers: list[Warmer] = []
        self.services: dict[str, HttpService] = {}

    def prepare(self, config: RuntimeConfig) -> Prepared:
        """Checks and builds; raises ConfigRefused. Nothing that serves is touched."""
        _check(config)
        built = {}
        for pool in config.pools:
            state = self._kept(pool) or PoolState(pool, self._context, self._dialer, self._uniform)
            try:
                router = Router(pool, state.cache)
            except (ValueError, KeyError) as error:
                raise ConfigRefused(f"pool {pool.name}: {error}") from error
            built[pool.name] = (pool, state, router)
        return Prepared(config, built)

    def commit(self, prepared: Prepared) -> None:
        """Puts a prepared configuration in force: from the next request on, on every connection."""
        states: dict[str, PoolState] = {}
        services: dict[str, HttpService] = {}
        self._stores = {config.name: self._store(config) for config in prepared.config.stores}
        for name, (pool, state, router) in prepared.built.items():
            state.configure(pool, self._stores)
            states[name] = state
            services[name] = HttpService(pool, state, router, services)
        for name, old in self._states.items():
            if states.get(name) is not old:
                old.retire()
                self._retired.append(old)
        self._states, self.services = states, services
        now = self._context.clock.now()
        self._warmers = [Warmer(service, warming, now) for service in services.values() for warming in service.config.warming]

    def of(self, place: Place) -> HttpService | None:
        """The service of the pool that names an upstream."""
        return next((s for s in self.services.values() if (s.config.upstream.host, s.config.upstream.port) == place), None)

    def passing(self, place: Place) -> HttpService:
        """A service without rules for an upstream that no pool names: whoever was given its address is served all the same."""
        service = self._passing.get(place)
        if service is None:
            host, port = place
            pool = Pool(name="", upstream=Upstream(host=host, port=port), limits=PASS_THROUGH_LIMITS)
            state = PoolState(pool, self._context, self._dialer, self._uniform)
            state.configure(pool, {})
            service = self._passing[place] = HttpService(pool, state, Router(pool, state.cache))
        return service

    @property
    def stores(self) -> Iterable[Store]:
        """What the configuration in force stores in."""
        return self._stores.values()

    def swept(self) -> Iterator[Swept]:
        """Everything that something may be due for."""
        yield from self._all()
        yield from self._warmers

    def _all(self) -> Iterator[PoolState]:
        """Every pool with what it keeps; what has ended is forgotten."""
        self._retired = [state for state in self._retired if not state.finished]
        yield from self._states.values()
        yield from (service.state for service in self._passing.values())
        yield from self._retired

    @property
    def under_way(self) -> int:
        """Requests that have no complete answer yet."""
        return sum(len(state.tracker) for state in self._all())

    def close(self) -> None:
        """Ends every connection to an upstream."""
        for state in list(self._all()):
            state.retire()
            state.driver.close()

    def _store(self, config: StoreConfig) -> Store:
        """One store for a policy, whatever number of pools it is for; its answers stay as far as they still fit."""
        store = self._stores.get(config.name)
        if store is None:
            return Store(config, codec_of(config))
        store.reconfigure(config, codec_of(config))
        return store

    def _kept(self, pool: Pool) -> PoolState | None:
        state, service = self._states.get(pool.name), self.services.get(pool.name)
        return state if service is not None and service.config.upstream == pool.upstream else None


def _check(config: RuntimeConfig) -> None:
    """What the types can't say."""
    stores = {store.name for store in config.stores}
    seen: set[object] = set()
    for end in dead_ends(config.pools):
        raise ConfigRefused(f"pool {end.pool}: breaker rule {end.rule} falls back to {end.to}, but {end.why}")
    for pool in config.pools:
        place = (pool.upstream.host, pool.upstream.port)
        for what in (pool.name, place):
            if what in seen:
                raise ConfigRefused(f"pool {pool.name}: {what} is there twice")
            seen.add(what)
        missing = [rule.store for rule in pool.cache_rules if rule.store not in stores]
        if missing:
            raise ConfigRefused(f"pool {pool.name}: cache rules name the store {missing[0]}, which isn't there")
        for rule in pool.breaker_rules:
            try:
                Failures(rule.failure_on)  # as Circuits.configure will read it, when it is too late to refuse
            except (ValueError, IndexError):
                statuses = ", ".join(rule.failure_on.statuses)
                raise ConfigRefused(f"pool {pool.name}: breaker rule {rule.name} has the statuses {statuses}: use 5xx or 429") from None
