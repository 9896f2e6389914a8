"""What Prometheus reads of requests on real sockets: hits, durations by operation, waits."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from slipstream_api.config import BreakerRule
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import cache_rule, free_port, metrics, proxied
from tests.fakes.raw_upstream import RawUpstream


@on_uvloop
async def test_hits_and_durations_are_counted_by_operation() -> None:
    """A path that no rule names is no label; the page is one that Prometheus reads."""
    async with RawUpstream() as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        for path in (b"/c", b"/c", b"/c", b"/x1", b"/x2"):
            await caller.ask(path)
        found = metrics(proxy)
    assert found["slipstream_hits_total"] == {("GET /c", "m"): 2.0, ("GET *", "m"): 0.0}
    assert found["slipstream_request_seconds_count"] == {("GET /c", "m"): 3.0, ("GET *", "m"): 2.0}
    for labels, count in found["slipstream_request_seconds_count"].items():
        assert found["slipstream_request_seconds_bucket"]["+Inf", *labels] == count
    assert found["slipstream_pool_wait_seconds_count"] == {("m",): 3.0}
    assert "slipstream_access_log_lines_total" not in found


@on_uvloop
async def test_failures_have_durations_and_refusals_are_no_waits() -> None:
    """Slow failures would be missing from a p95; who got no connection isn't among those who waited for one."""
    async with proxied(free_port(), breakers=(BreakerRule(name="b", policy="b"),)) as proxy:
        caller = await proxy.caller()
        for _ in range(3):
            assert (await caller.ask()).status in (502, 503)
        found = metrics(proxy)
    assert found["slipstream_pool_wait_seconds_count"]["m",] <= 1.0
    assert found["slipstream_requests_total"]["m",] == found["slipstream_request_seconds_count"]["GET *", "m"] == 3.0


@on_uvloop
async def test_a_circuit_names_the_operations_that_it_judges() -> None:
    """Of a rule's circuit those that were asked for; each operation's own circuit is its own."""
    rules = (BreakerRule(name="each", policy="b", scope="Operation", match=cache_rule().match), BreakerRule(name="rest", policy="b"))
    async with RawUpstream() as up, proxied(up.port, breakers=rules) as proxy:
        caller = await proxy.caller()
        for path in (b"/c", b"/x", b"/x", b"/y"):
            await caller.ask(path)
        (pool,) = proxy.runtime.status().pools
    found = {(circuit.rule, circuit.operation): circuit.operations for circuit in pool.circuits}
    assert found == {("each", "GET /c"): ("GET /c",), ("rest", ""): ("GET *",)}


def test_the_parser_reads_more_than_names() -> None:
    """The check above can fail: a page that isn't one is refused."""
    with pytest.raises(ValueError, match=r"\w"):
        list(text_string_to_metric_families('a{b="c} 1\n'))
