"""The HTTP driver against a real server that misbehaves in every known way: each fault has its own name, and right answers are right."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from slipstream_api.clock import MonotonicClock
from slipstream_loadtest.engine.driver import TargetUnusable
from slipstream_loadtest.engine.engine import run
from slipstream_loadtest.http.driver import HttpDriver
from slipstream_loadtest.http.resolve import drivers_for, resolver
from slipstream_loadtest.measured.part import SeriesPart
from slipstream_loadtest.measured.timings import CallTimings
from slipstream_loadtest.plan.model import Plan
from tests.fakes.loadtest_plans import URL, a_plan
from tests.fakes.scripted_target import ScriptedTarget, scripted_target

SESSION = {"X-Session-Id": "${session}"}


@pytest.fixture
async def target() -> AsyncIterator[ScriptedTarget]:
    async with scripted_target() as served:
        yield served


def plan_of(path: str, *, users: int = 2, duration: str = "60ms", timeout_ms: int = 1000, **step: Any) -> Plan:
    http = {"path": path, "headers": SESSION} | step.pop("http", {})
    scenarios = [{"name": "s", "steps": [{"name": "get", "http": http} | step]}]
    stages = [{"name": "s", "users": users, "duration": duration}]
    return a_plan(URL, scenarios=scenarios, stages=stages, drain_ms=60, timeout_ms=timeout_ms)


async def measured(target: ScriptedTarget, plan: Plan) -> SeriesPart:
    driver = HttpDriver(plan, target.url, resolver("System"))
    part = await run(plan, 0, MonotonicClock(), {"Direct": driver})
    return part.phases[0].series[0]


async def test_right_answers_over_kept_connections(target: ScriptedTarget):
    """Two users, two connections, opened before anything is measured; every call is reused."""
    series = await measured(target, plan_of("/things", expect={"contains": ['"session": "${session}"']}))
    assert series.completed == series.offered > 10
    assert target.connections == 2
    assert (series.opened, series.reused) == (0, series.offered)
    assert len(target.requests) == series.offered
    assert {r.headers["host"] for r in target.requests} == {target.url.removeprefix("http://")}


@pytest.mark.parametrize("path", ["/chunked", "/split", "/interim", "/until-close", "/close", "/slow?ms=5"])
async def test_answers_in_every_framing_are_right(target: ScriptedTarget, path: str):
    """Chunked, byte by byte, after an interim answer, until the connection closes, closing: all of them whole and checked."""
    series = await measured(target, plan_of(path, expect={"contains": [path, "${session}"]}))
    assert series.completed > 0
    assert (series.failed, series.errors) == (0, {})


@pytest.mark.parametrize("path", ["/until-close", "/close"])
async def test_trap_T20_connections_that_the_target_closes_are_opened_again_and_counted(target: ScriptedTarget, path: str):
    """A connection a call: only the two opened ahead are reused."""
    series = await measured(target, plan_of(path))
    assert series.reused == 2
    assert series.opened == series.offered - 2 > 0


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/status/503", "Status503"),
        ("/half", "Reset"),
        ("/half-head", "Reset"),
        ("/nothing", "Reset"),
        ("/reset", "Reset"),
        ("/garbage", "Malformed"),
        ("/endless-head", "Malformed"),
        ("/twice", "Malformed"),
        ("/other-session", "Wrong"),
    ],
)
async def test_every_fault_has_its_name(target: ScriptedTarget, path: str, kind: str):
    """No fault is a right answer, and none is taken for another."""
    series = await measured(target, plan_of(path, expect={"contains": ["${session}"]}))
    assert series.completed == 0
    assert series.failed > 0
    assert set(series.errors) == {kind}
    assert series.wrong == (series.failed if kind == "Wrong" else 0)


async def test_a_target_that_stalls_times_out(target: ScriptedTarget):
    """After the plan's timeout, on a new connection each time: a late answer must never be taken for the next one's."""
    series = await measured(target, plan_of("/stall", timeout_ms=20))
    assert set(series.errors) == {"Timeout"}
    assert target.connections > 2


async def test_a_late_answer_is_not_taken_for_the_next(target: ScriptedTarget):
    """Answers come after 40 ms, the timeout is 20 ms: nothing ever completes."""
    series = await measured(target, plan_of("/slow?ms=40", timeout_ms=20))
    assert series.completed == 0
    assert set(series.errors) == {"Timeout"}


async def test_an_expected_error_status_is_right(target: ScriptedTarget):
    """What is right is the test's to say."""
    series = await measured(target, plan_of("/status/503", expect={"status": [503]}))
    assert (series.failed, series.completed) == (0, series.offered)


async def test_head_has_no_body_to_wait_for(target: ScriptedTarget):
    """Content-Length of an answer to HEAD describes another one's body; the connection stays usable."""
    series = await measured(target, plan_of("/head", http={"method": "HEAD"}))
    assert (series.failed, series.completed) == (0, series.offered)
    assert series.completed > 5
    assert target.connections == 2


async def test_bodies_arrive_as_they_were_meant(target: ScriptedTarget):
    """Templates in a POST body, with its length."""
    http = {"method": "POST", "path": "/things", "body": '{"by": "${session}", "n": ${iteration}}'}
    series = await measured(target, plan_of("/things", http=http))
    assert series.completed == series.offered
    bodies = [json.loads(r.body) for r in target.requests]
    assert all(body["by"] == r.headers["x-session-id"] for body, r in zip(bodies, target.requests, strict=True))
    assert len({(body["by"], body["n"]) for body in bodies}) == len(bodies)


async def test_hit_rate_is_counted_from_the_answers(target: ScriptedTarget):
    """The first call of a path is a miss, all others are hits; header names in any case."""
    series = await measured(target, plan_of("/cached", users=1))
    assert series.cache == {"fwd=uri-miss": 1, "hit": series.completed - 1}


async def test_nobody_listening_is_a_connect_error():
    """Counted per call; the run goes on and ends."""
    async with scripted_target() as gone:
        pass
    series = await measured(gone, plan_of("/things", users=1, duration="30ms"))
    assert series.completed == 0
    assert set(series.errors) == {"Connect"}


async def test_a_target_that_comes_back_is_measured_again(target: ScriptedTarget):
    """Faults of single calls don't spoil the connection's user."""
    plan = a_plan(
        URL,
        scenarios=[
            {"name": "good", "steps": [{"name": "get", "http": {"path": "/things"}}]},
            {"name": "bad", "steps": [{"name": "get", "http": {"path": "/half"}}]},
        ],
        stages=[{"name": "s", "users": 2, "duration": "80ms"}],
    )
    part = await run(plan, 0, MonotonicClock(), {"Direct": HttpDriver(plan, target.url, resolver("System"))})
    good, bad = part.phases[0].series
    assert good.completed == good.offered > 0
    assert bad.failed == bad.offered > 0


async def test_an_unsolicited_answer_does_not_become_the_next_one(target: ScriptedTarget):
    """Bytes on an idle connection break it: the next call gets a fresh one and its own answer."""
    plan = plan_of("/things")
    driver = HttpDriver(plan, target.url, resolver("System"))
    await driver.prepare()
    outcomes: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()

    class Listener:
        def answered(self, error: str, cache: str, opened: bool, timings: CallTimings | None = None) -> None:
            outcomes.put_nowait((error, opened))

    channel = driver.channel(0, "s-0", Listener())
    assert await channel.open() == ""
    channel.call(0, 0, 1, 1)
    assert await outcomes.get() == ("", False)
    connection = channel._connection
    assert connection is not None
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    channel.call(0, 0, 2, 2)
    assert await outcomes.get() == ("", True)
    channel.close()


async def test_names_that_lead_nowhere_make_a_target_unusable():
    """Before anything is sent; the message names the host."""
    with pytest.raises(TargetUnusable, match=r"does-not-exist\.invalid can't be resolved"):
        await resolver("System")("does-not-exist.invalid", 80)


async def test_addresses_that_no_load_may_go_to_are_refused_when_resolved():
    """A name that leads to a metadata address is found out where it is resolved."""
    with pytest.raises(TargetUnusable, match=r"169\.254\.169\.254"):
        await resolver("DNS")("169.254.169.254", 80)


def test_a_route_that_is_not_in_the_environment_is_named():
    """A runner pod without a sidecar has no way through the layers."""
    from tests.fakes.loadtest_plans import BOTH

    plan = a_plan(BOTH, target={"poolRef": {"name": "memory"}})
    with pytest.raises(TargetUnusable, match="SLIPSTREAM_MEMORY_URL isn't set"):
        drivers_for(plan, {})
    assert set(drivers_for(plan, {"SLIPSTREAM_MEMORY_URL": "http://127.0.0.1:1"})) == {"Layers"}
