"""`slipstream top`: what each operation of a pool did between two looks."""

from __future__ import annotations

import math

import pytest

from slipstream_api.sidecar import CircuitState, PoolStatus, SidecarStatus
from slipstream_cli.top_durations import Buckets
from slipstream_cli.top_operations import OperationRates, OperationSample, operations
from slipstream_cli.top_rates import Sample, rates, read

INF = math.inf
TEXT = (
    "# TYPE slipstream_request_seconds histogram\n"
    'slipstream_request_seconds_bucket{le="+Inf",pool="m",operation="GET /a"} 3.0\n'
    'slipstream_request_seconds_bucket{le="0.5",pool="m",operation="GET /a"} 1.0\n'
    'slipstream_request_seconds_bucket{le="0.5",pool="m",operation="other"} 4.0\n'
    'slipstream_request_seconds_bucket{le="+Inf",pool="m",operation="other"} 5.0\n'
    "# TYPE slipstream_hits_total counter\n"
    'slipstream_hits_total{pool="m",operation="GET /a"} 2.0\n'
)


def sample(hits: float, *counts: float) -> OperationSample:
    """Cumulative counts up to 0.1 s, 0.2 s and any time."""
    durations: Buckets = tuple(zip((0.1, 0.2, INF), counts, strict=True))
    return OperationSample(hits=hits, durations=durations)


def only(before: OperationSample | None, after: OperationSample, *circuits: CircuitState) -> OperationRates:
    (found,) = operations({} if before is None else {"GET /a": before}, {"GET /a": after}, circuits, 2.0)
    return found


def test_an_operation_has_its_own_rate_hits_and_p95() -> None:
    """Of the time between; what was before doesn't show."""
    found = only(sample(50, 50, 100, 100), sample(80, 80, 140, 140))
    assert (found.requests_per_second, found.hit_ratio) == (20.0, 0.75)
    assert found.p95 is not None
    assert (found.p95.above, found.p95.to) == (100.0, 200.0)


def test_nothing_is_no_share_and_no_duration() -> None:
    """A ratio of nothing isn't 0 %."""
    found = only(sample(7, 9, 9, 9), sample(7, 9, 9, 9))
    assert (found.requests_per_second, found.hit_ratio, found.p95, found.circuit) == (0.0, None, None, None)


@pytest.mark.parametrize("before", [None, sample(3, 9, 9, 9), sample(0, 1, 1, 5)])
def test_what_is_new_or_began_anew_counts_from_zero(before: OperationSample | None) -> None:
    """Hits that went back, or any bucket, tell it: nothing is negative."""
    found = only(before, sample(2, 4, 4, 4))
    assert (found.requests_per_second, found.hit_ratio) == (2.0, 0.5)


def test_the_busiest_come_first() -> None:
    """Equals by name."""
    found = operations({}, {"b": sample(0, 1, 1, 1), "c": sample(0, 9, 9, 9), "a": sample(0, 1, 1, 1)}, (), 1.0)
    assert [each.operation for each in found] == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("circuits", "circuit", "shadow"),
    [
        ((), None, False),
        ((CircuitState(policy="b", rule="r", operation="GET /other", state="Open"),), None, False),
        ((CircuitState(policy="b", rule="r", operation="GET /a", state="Open"),), "Open", False),
        ((CircuitState(policy="b", rule="r", operations=("GET /a", "GET /b"), state="HalfOpen", shadow=True),), "HalfOpen", True),
        (
            (
                CircuitState(policy="b", rule="r", operations=("GET /a",), state="Open"),
                CircuitState(policy="b", rule="s", operations=("GET /a",), state="Closed"),
            ),
            "Open",
            False,
        ),
    ],
)
def test_the_circuit_is_that_which_judges_it(circuits: tuple[CircuitState, ...], circuit: str | None, shadow: bool) -> None:
    """Of the rule or its own; where two do, the one to look at."""
    found = only(None, sample(0, 1, 1, 1), *circuits)
    assert (found.circuit, found.shadow) == (circuit, shadow)


def test_operations_are_read_from_the_page_and_end_up_in_their_pool() -> None:
    """With a hit count of zero where the page has none; a pool that began anew takes its operations along."""
    found = read({"version": "1", "uptimeMs": 5, "pools": [{"name": "m", "requestsTotal": 8}]}, TEXT)
    assert found.operations["m"]["GET /a"] == OperationSample(hits=2.0, durations=((0.5, 1.0), (INF, 3.0)))
    assert found.operations["m"]["other"].hits == 0.0
    before = Sample(status=SidecarStatus(version="1", uptime_ms=1, pools=(PoolStatus(name="m", requests_total=8),)), durations={})
    (pool,) = rates(before, found, 1.0).pools
    assert [(each.operation, each.requests_per_second) for each in pool.operations] == [("other", 5.0), ("GET /a", 3.0)]
    (pool,) = rates(found, found, 1.0).pools
    assert [each.requests_per_second for each in pool.operations] == [0.0, 0.0]
    anew = Sample(
        status=SidecarStatus(version="1", pools=(PoolStatus(name="m", requests_total=9),)), durations={}, operations=found.operations
    )
    (pool,) = rates(anew, found, 1.0).pools
    assert [each.requests_per_second for each in pool.operations] == [5.0, 3.0]
