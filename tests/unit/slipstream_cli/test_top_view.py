"""`slipstream top`: what a person reads, at any width."""

from __future__ import annotations

import pytest
from rich.console import Console

from slipstream_cli.top_operations import OperationRates
from slipstream_cli.top_rates import CacheRates, CircuitNow, PoolRates, Quantile, Rates
from slipstream_cli.top_view import CIRCUITS_SHOWN, OPERATIONS_SHOWN, duration, quantile, view

CACHE = CacheRates(
    policy="answers[1]",
    requests_per_second=12.34,
    hit_ratio=0.875,
    stale_per_second=0.0,
    bypass_per_second=0.25,
    evictions_per_second=0.0,
    entries=42,
    bytes=3 << 20,
)


def circuit(operation: str = "", state: str = "Closed", trips: int = 0, shadow: bool = False) -> CircuitNow:
    return CircuitNow(policy="b", rule="r", operation=operation, state=state, shadow=shadow, since_ms=65_000, trips=trips)


def operation(name: str, rate: float = 5.0, circuit: str | None = "Closed", shadow: bool = False) -> OperationRates:
    p95 = Quantile(estimate=61.0, above=50.0, to=100.0)
    return OperationRates(operation=name, requests_per_second=rate, hit_ratio=0.5, p95=p95, circuit=circuit, shadow=shadow)


def shown(
    *circuits: CircuitNow,
    width: int = 160,
    rejected: str = "",
    healthy: bool = True,
    operations: tuple[OperationRates, ...] = (),
    failures: dict[str, float] | None = None,
) -> str:
    pool = PoolRates(
        name="memory",
        healthy=healthy,
        requests_per_second=1234.5,
        errors_per_second=0.5,
        hit_ratio=None,
        p95=Quantile(estimate=7.25, above=5.0, to=10.0),
        in_use=3,
        idle=4,
        pending=1,
        max=100,
        opened_per_second=0.0,
        reuse_ratio=0.998,
        cache=(CACHE,),
        circuits=circuits,
        operations=operations,
        failures_per_second=failures or {},
    )
    rates = Rates(
        seconds=2.0, revision="abc" * 20, uptime_ms=3_725_000, rss_bytes=50 << 20, draining=False, rejected=rejected, pools=(pool,)
    )
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(view(rates))
    return capture.get()


def test_a_line_for_each_pool_policy_and_circuit() -> None:
    """Names are never taken for markup."""
    text = " ".join(shown(circuit("GET /a", trips=2), circuit("GET /b", "Open", shadow=True)).split())
    assert "revision abcabcabcabc, up 1 h 2 m, 50 MiB; the last 2.0 s" in text
    assert "memory ok 1234 0.50 - ~ 7.2 ms 1 Open, 1 Closed" in text
    assert "memory 3/100 4 1 0 100%" in text
    assert "memory answers[1] 12.3 88% 0 0.25 0 42 3.0" in text
    assert "memory r GET /a Closed 1 m 5 s +2" in text
    assert "memory r (shadow) GET /b Open 1 m 5 s -" in text


def test_a_line_for_each_operation_the_busiest_first() -> None:
    """Twenty of them; how many more there are is told, and nothing where there are none."""
    first = (operation("GET /a", 2.0, None), operation("GET /[b]", 900.0, "Open", shadow=True), operation("POST /c", 3.0))
    text = " ".join(shown(operations=first).split())
    rows = ["memory GET /[b] 900 50% ~ 61 ms Open (shadow)", "memory POST /c 3.0 50% ~ 61 ms Closed", "memory GET /a 2.0 50% ~ 61 ms -"]
    assert "POOL OPERATION REQ/S HIT P95 CIRCUIT" in text
    assert [text.index(row) for row in rows] == sorted(text.index(row) for row in rows)
    assert "operations more" not in text
    many = tuple(operation(f"GET /{number}", float(number)) for number in range(OPERATIONS_SHOWN + 3))
    text = shown(operations=many)
    assert "and 3 operations more" in text
    assert f"GET /{OPERATIONS_SHOWN + 2} " in text
    assert "GET /2 " not in text
    assert "REQ/S  HIT  P95  CIRCUIT" not in shown()


def test_what_is_wrong_comes_first_and_nothing_is_dropped_unsaid() -> None:
    """Of many circuits the open ones are seen; the number of those that aren't is told."""
    text = shown(*(circuit(f"GET /{number}") for number in range(CIRCUITS_SHOWN + 5)), circuit("GET /bad", "Open"))
    assert text.index("GET /bad") < text.index("GET /0")
    assert "and 6 circuits more" in text
    assert "circuits more" not in shown(circuit())


def test_a_refused_configuration_and_a_sick_upstream_are_said() -> None:
    """And only then."""
    text = shown(rejected="pool m: [x] is there twice", healthy=False)
    assert "refused: pool m: [x] is there twice" in text
    assert "UNHEALTHY" in text
    assert "refused" not in shown()


def test_why_requests_fail_is_said_below_their_pool() -> None:
    """And nothing where none does."""
    assert "memory fails: CircuitOpen 120/s, PoolFull 0.50/s" in shown(failures={"CircuitOpen": 120.0, "PoolFull": 0.5})
    assert "fails" not in shown()


def test_an_ordinary_terminal_shows_it_without_folding() -> None:
    """80 columns, with names of an ordinary length."""
    recall = circuit("GET /episodic/recall", "HalfOpen")
    asked = (operation("GET /episodic/recall", 1234.0, "HalfOpen", shadow=True),)
    assert shown(recall, width=80, operations=asked).split() == shown(recall, operations=asked).split()
    assert shown(recall, width=70, operations=asked).split() != shown(recall, operations=asked).split()


@pytest.mark.parametrize("width", [20, 40])
def test_a_narrow_terminal_folds(width: int) -> None:
    """No line is wider than it."""
    assert max(len(line.rstrip()) for line in shown(circuit("GET /a/long/path/of/an/operation"), width=width).splitlines()) <= width


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (None, "-"),
        (Quantile(estimate=0.4, above=0.0, to=0.5), "< 0.5 ms"),
        (Quantile(estimate=61.0, above=50.0, to=100.0), "~ 61 ms"),
        (Quantile(estimate=1_250.0, above=1_000.0, to=2_500.0), "~ 1.2 s"),
        (Quantile(estimate=60_000.0, above=60_000.0, to=None), "> 60.0 s"),
    ],
)
def test_a_duration_says_how_well_it_is_known(found: Quantile | None, text: str) -> None:
    """Below the first bound and above the last one only the bound is known."""
    assert quantile(found) == text


def test_times_are_coarse() -> None:
    """Two units at most."""
    assert [duration(seconds * 1_000) for seconds in (0, 59, 60, 3_599, 7_260)] == ["0 s", "59 s", "1 m 0 s", "59 m 59 s", "2 h 1 m"]
