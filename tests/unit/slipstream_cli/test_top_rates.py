"""`slipstream top`: what happened between two looks, whatever began anew in between."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from slipstream_api.sidecar import CacheFigures, CircuitState, Connections, PoolStatus, SidecarStatus
from slipstream_cli.top_rates import Buckets, PoolRates, Quantile, Sample, quantile, rates, read, since

INF = math.inf


def pool(name: str = "m", requests: int = 0, errors: int = 0, **others: Any) -> PoolStatus:
    return PoolStatus(name=name, requests_total=requests, errors_total=errors, **others)


def sample(*pools: PoolStatus, up: int = 10_000, **durations: Buckets) -> Sample:
    return Sample(status=SidecarStatus(version="1", uptime_ms=up, pools=pools), durations=durations)


def only(before: Sample, after: Sample, seconds: float = 2.0) -> PoolRates:
    (found,) = rates(before, after, seconds).pools
    return found


def negatives(value: Any) -> list[float]:
    """Every negative figure anywhere in it."""
    if isinstance(value, dict):
        return [found for item in value.values() for found in negatives(item)]
    if isinstance(value, list | tuple):
        return [found for item in value for found in negatives(item)]
    return [value] if isinstance(value, int | float) and value < 0 else []


def test_figures_are_differences_over_the_time_between() -> None:
    """Totals from before don't show."""
    before = pool(
        requests=1_000,
        errors=10,
        connections=Connections(opened_total=5, requests_total=500),
        cache=(CacheFigures(policy="p", hits=400, misses=90, bypass=5, stale=7, evictions=1),),
        circuits=(CircuitState(policy="b", rule="r", trips_total=3),),
    )
    after = pool(
        requests=1_100,
        errors=14,
        connections=Connections(opened_total=6, requests_total=520, in_use=3, idle=4, pending=2, max=9),
        cache=(CacheFigures(policy="p", hits=460, misses=105, coalesced=5, bypass=25, stale=9, evictions=5, entries=11, bytes=12),),
        circuits=(CircuitState(policy="b", rule="r", trips_total=4, state="Open", since_ms=50),),
        healthy=False,
    )
    found = only(sample(before), sample(after, up=12_000))
    assert (found.requests_per_second, found.errors_per_second, found.opened_per_second) == (50.0, 2.0, 0.5)
    assert (found.hit_ratio, found.reuse_ratio, found.p95, found.healthy) == (60 / 80, 0.95, None, False)
    assert (found.in_use, found.idle, found.pending, found.max) == (3, 4, 2, 9)
    (cache,) = found.cache
    assert (cache.requests_per_second, cache.hit_ratio, cache.bypass_per_second) == (50.0, 0.75, 10.0)
    assert (cache.stale_per_second, cache.evictions_per_second, cache.entries, cache.bytes) == (1.0, 2.0, 11, 12)
    (circuit,) = found.circuits
    assert (circuit.rule, circuit.state, circuit.trips, circuit.since_ms) == ("r", "Open", 1, 50)


def test_failures_are_told_by_their_reason() -> None:
    """Those of the time between, the most frequent first; of a pool that began anew all of them."""
    before = pool(requests=9, errors=7, failures={"PoolFull": 3, "ConnectionRefused": 4})
    after = pool(requests=30, errors=16, failures={"PoolFull": 4, "ConnectionRefused": 4, "CircuitOpen": 8})
    found = only(sample(before), sample(after, up=12_000)).failures_per_second
    assert list(found.items()) == [("CircuitOpen", 4.0), ("PoolFull", 0.5)]
    anew = only(sample(before), sample(pool(requests=2, errors=2, failures={"PoolFull": 2}), up=12_000))
    assert anew.failures_per_second == {"PoolFull": 1.0}
    assert only(sample(after), sample(after, up=12_000)).failures_per_second == {}


def test_nothing_happened_is_zero_and_no_share() -> None:
    """A ratio of nothing isn't 0 %."""
    still = pool(requests=7, cache=(CacheFigures(policy="p", hits=7),), connections=Connections(opened_total=1, requests_total=7))
    found = only(sample(still), sample(still, up=12_000))
    assert (found.requests_per_second, found.hit_ratio, found.reuse_ratio, found.p95) == (0.0, None, None, None)


def test_after_a_restart_everything_counts_from_zero() -> None:
    """Told by the uptime: even counters that have overtaken the old ones are the new process' own."""
    old: Buckets = ((0.5, 50.0), (INF, 100.0))
    before = sample(
        pool(
            requests=100,
            cache=(CacheFigures(policy="p", hits=1, misses=99),),
            circuits=(CircuitState(policy="b", rule="r", trips_total=1),),
        ),
        up=60_000,
        m=old,
    )
    after = sample(
        pool(
            requests=110,
            cache=(CacheFigures(policy="p", hits=80, misses=20),),
            circuits=(CircuitState(policy="b", rule="r", trips_total=2),),
        ),
        up=500,
        m=((0.5, 110.0), (INF, 110.0)),
    )
    found = only(before, after)
    assert (found.requests_per_second, found.hit_ratio, found.circuits[0].trips) == (55.0, 0.8, 2)
    assert found.p95 is not None
    assert found.p95.to == 500.0


@pytest.mark.parametrize(
    "now",
    [
        pool(requests=40),
        pool(requests=2_000, errors=1),
        pool(requests=2_000, errors=5, connections=Connections(opened_total=1)),
    ],
)
def test_a_pool_that_began_anew_counts_from_zero(now: PoolStatus) -> None:
    """Its upstream was changed while the process went on: one counter that went back is enough to know."""
    before = pool(requests=1_000, errors=5, connections=Connections(opened_total=20))
    assert only(sample(before), sample(now, up=12_000)).requests_per_second == now.requests_total / 2.0


def test_buckets_that_went_back_tell_of_a_new_pool_too() -> None:
    """The two answers aren't of one moment: the durations may know first."""
    before, after = sample(pool(requests=9), m=((1.0, 9.0), (INF, 9.0))), sample(pool(requests=9), up=12_000, m=((1.0, 0.0), (INF, 4.0)))
    found = only(before, after)
    assert found.requests_per_second == 4.5
    assert found.p95 == Quantile(estimate=1_000.0, above=1_000.0, to=None)


def test_pools_and_policies_come_and_go() -> None:
    """A new one counts from zero, one that is gone isn't shown, the others go on."""
    before = sample(pool("kept", 10, cache=(CacheFigures(policy="p", hits=5), CacheFigures(policy="gone"))), pool("gone", 99))
    after = sample(
        pool("kept", 30, cache=(CacheFigures(policy="new", hits=2), CacheFigures(policy="p", hits=6))), pool("new", 4), up=12_000
    )
    found = rates(before, after, 2.0)
    assert [(pool.name, pool.requests_per_second) for pool in found.pools] == [("kept", 10.0), ("new", 2.0)]
    assert [(cache.policy, cache.requests_per_second) for cache in found.pools[0].cache] == [("new", 1.0), ("p", 0.5)]


def test_nothing_is_ever_negative() -> None:
    """Not even `coalesced`, which goes back when a request that waited is sent after all, nor a circuit that was forgotten."""
    before = pool(
        requests=5,
        cache=(CacheFigures(policy="p", hits=1, misses=1, coalesced=3),),
        circuits=(CircuitState(policy="b", rule="r", trips_total=9),),
    )
    after = pool(
        requests=5,
        cache=(CacheFigures(policy="p", hits=1, misses=2, coalesced=2),),
        circuits=(CircuitState(policy="b", rule="r", trips_total=1),),
    )
    found = only(sample(before), sample(after, up=12_000))
    assert negatives(msgspec.to_builtins(found)) == []
    assert (found.hit_ratio, found.cache[0].requests_per_second, found.circuits[0].trips) == (0.0, 0.5, 1)
    assert negatives({"a": [1, -2.0]}) == [-2.0]


def test_p95_is_of_the_time_between() -> None:
    """A thousand slow requests of before don't count."""
    slow: Buckets = ((0.01, 0.0), (0.1, 0.0), (INF, 1_000.0))
    fast: Buckets = ((0.01, 90.0), (0.1, 100.0), (INF, 1_100.0))
    found = only(sample(pool(requests=1_000), m=slow), sample(pool(requests=1_100), up=12_000, m=fast))
    assert found.p95 is not None
    assert (found.p95.above, found.p95.to, round(found.p95.estimate, 3)) == (10.0, 100.0, 55.0)


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        ((), None),
        (((0.1, 0.0), (INF, 0.0)), None),
        (((0.1, 100.0), (INF, 0.0)), Quantile(estimate=95.0, above=0.0, to=100.0)),
        (((0.1, 95.0), (0.2, 5.0), (INF, 0.0)), Quantile(estimate=100.0, above=0.0, to=100.0)),
        (((0.1, 0.0), (0.2, 1.0), (INF, 0.0)), Quantile(estimate=195.0, above=100.0, to=200.0)),
        (((0.1, 94.0), (INF, 6.0)), Quantile(estimate=100.0, above=100.0, to=None)),
    ],
)
def test_a_quantile_is_within_its_bucket(buckets: Buckets, expected: Quantile | None) -> None:
    """On the line between the bounds, as histogram_quantile; beyond the last bound nothing is made up."""
    found = quantile(buckets, 0.95)
    if found is None or expected is None:
        assert found is expected
    else:
        assert (found.above, found.to, round(found.estimate, 6)) == (expected.above, expected.to, expected.estimate)


def test_other_bounds_are_another_histogram() -> None:
    """Of another version: nothing to subtract."""
    assert since(((0.1, 5.0), (INF, 9.0)), ((0.2, 7.0), (INF, 8.0))) == ((0.2, 7.0), (INF, 1.0))


def test_a_sample_is_read_from_the_two_answers() -> None:
    """Lines come in any order, and all operations of a pool count together."""
    text = (
        "# HELP slipstream_request_seconds x\n# TYPE slipstream_request_seconds histogram\n"
        'slipstream_request_seconds_bucket{le="+Inf",pool="m",operation="GET /a"} 3.0\n'
        'slipstream_request_seconds_bucket{le="0.0005",pool="m",operation="GET /a"} 1.0\n'
        'slipstream_request_seconds_bucket{le="0.0005",pool="m",operation="other"} 4.0\n'
        'slipstream_request_seconds_bucket{le="+Inf",pool="m",operation="other"} 5.0\n'
    )
    found = read({"version": "1", "uptimeMs": 5, "pools": [{"name": "m", "requestsTotal": 3}], "later": True}, text)
    assert found.durations == {"m": ((0.0005, 5.0), (INF, 8.0))}
    assert found.status.pools[0].requests_total == 3
    with pytest.raises(msgspec.ValidationError, match="pools"):
        read({"version": "1", "pools": 7}, "")
