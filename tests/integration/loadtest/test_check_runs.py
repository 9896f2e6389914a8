"""Whole runs with checks against real servers on loopback: each fault of the target has its own verdict, with the reason that fits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from slipstream_loadtest.judged.checks import judge_checks
from slipstream_loadtest.judged.checks.row import CheckRow
from slipstream_loadtest.measured.part import decode_part
from slipstream_loadtest.plan.build import Route, Routes
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.runner.local import LocalRun, Stop, run_local
from tests.fakes.loadtest_plans import a_plan
from tests.fakes.session_server import Fault, SessionServer, session_server

HEADERS = {"X-Session-Id": "${session}"}
WRITE = {"method": "POST", "path": "/notes", "headers": HEADERS, "body": '{"text": "${canary}"}'}
READ = {"path": "/notes", "headers": HEADERS}
STEP = {"name": "read", "http": READ, "expect": {"contains": ["${session}"]}}


def plan_of(server: SessionServer, *, duration: str = "300ms", timeout_ms: int = 400, **members: Any) -> Plan:
    """Two users reading, then the checks."""
    routes = Routes(direct=Route(url=server.url))
    stage = {"name": "s", "users": 2, "duration": duration}
    more = {"stages": [stage], "scenarios": [{"name": "s", "steps": [STEP]}]} | members
    return a_plan(routes, timeout_ms=timeout_ms, target={"url": server.url}, **more)


def isolation(**asked: Any) -> dict[str, Any]:
    return {"isolation": {"sessions": 20, "rounds": 3, "write": WRITE, "read": READ} | asked}


async def checked(plan: Plan, **options: Any) -> tuple[CheckRow, LocalRun]:
    run = await run_local(plan, environ={}, **options)
    (row,) = judge_checks(plan, run.result)
    return row, run


async def test_trap_t26_sessions_that_are_kept_apart_pass_and_the_leaky_server_is_caught() -> None:
    """20 sessions x 3 rounds x 2 reads, none with another's canary; nearly every answer of the control has one."""
    async with session_server() as server:
        row, run = await checked(plan_of(server, checks=isolation()))
    assert (row.result, row.control) == ("Passed", "Caught"), row
    assert row.observed == "0 crossings in 120 answers of 20 sessions x 6 probes"
    part = run.result.isolation
    assert part is not None
    assert part.control_probes == 32
    assert part.control_crossings >= 24


@pytest.mark.parametrize(
    ("fault", "result", "message"),
    [
        ("leaks-sessions", "Failed", "held another session's data"),
        ("leaks-sometimes", "Failed", "held another session's data"),
        ("loses-writes", "Inconclusive", "the control wasn't caught"),
        ("refuses", "Inconclusive", "the control had no answers"),
        ("stalls", "Inconclusive", "the control had no answers"),
    ],
)
async def test_each_fault_of_a_target_has_its_own_verdict(fault: Fault, result: str, message: str) -> None:
    """One answer in twenty is enough; what doesn't answer proves nothing, and holds nobody up for long."""
    async with asyncio.timeout(30), session_server(fault) as server:
        row, _ = await checked(plan_of(server, checks=isolation()))
    assert row.result == result, row
    assert message in row.message


async def test_a_target_that_breaks_after_the_control_is_inconclusive() -> None:
    """The control was caught; writes that are lost, and answers that don't come, are told apart from kept-apart sessions."""
    async with session_server() as server:
        plan = plan_of(server, checks=isolation(rounds=40))

        async def breaks(fault: Fault) -> CheckRow:
            server.fault = "none"
            server.notes.clear()

            def after_a_while() -> None:
                if len(server.notes) == 28:  # the control's 8 sessions, then the others
                    server.fault = fault

            server.on_write = after_a_while
            row, _ = await checked(plan)
            return row

        lost, refused = await breaks("loses-writes"), await breaks("refuses")
    assert (lost.result, lost.control) == ("Inconclusive", "Caught")
    assert "lacked what their own session had just written" in lost.message
    assert (refused.result, refused.control) == ("Inconclusive", "Caught")
    assert "had no answer that could be judged" in refused.message


@pytest.mark.parametrize(("fault", "result"), [("none", "Passed"), ("leaks-sessions", "Failed")])
async def test_the_scenarios_own_steps_do_where_nothing_else_is_given(fault: Fault, result: str) -> None:
    """The session's name is the mark then."""
    async with session_server(fault) as server:
        row, _ = await checked(plan_of(server, checks={"isolation": {"sessions": 10, "rounds": 2}}))
    assert (row.result, row.control) == (result, "Caught"), row


async def test_runners_share_the_sessions() -> None:
    """Two processes, seven sessions: each probes its own, all are counted once."""
    async with session_server() as server:
        row, run = await checked(plan_of(server, checks=isolation(sessions=7), runners={"count": 2}))
    assert row.observed == "0 crossings in 42 answers of 7 sessions x 6 probes"
    assert sorted(part.isolation.sessions for part in map(decode_part, run.parts) if part.isolation is not None) == [3, 4]


async def test_an_abort_ends_the_probes_at_once_and_keeps_what_they_found() -> None:
    """In the middle of them; the run says that it was aborted."""
    async with session_server("leaks-sessions") as server:
        abort = Stop()

        def when_probing() -> None:
            server.fault = "stalls"
            abort.set()

        server.on_write = when_probing
        async with asyncio.timeout(20):
            row, run = await checked(plan_of(server, checks=isolation(rounds=500), timeout_ms=60_000), abort=abort)
    assert run.result.aborted == "interrupted"
    assert row.result in ("Inconclusive", "Failed")
    assert run.result.isolation is not None
    assert run.result.isolation.failed > 0


async def test_an_aborted_run_is_not_probed() -> None:
    """Whoever ends a run wants the load to end."""
    async with session_server() as server:
        abort = Stop()
        abort.set()
        row, run = await checked(plan_of(server, duration="30s", checks=isolation()), abort=abort)
    assert (row.result, row.control, run.result.isolation) == ("Inconclusive", "NotRun", None)
    assert server.notes == {}


async def test_memory_is_read_each_second_past_the_layers() -> None:
    """From the way past them though the load goes through; three seconds have three samples, in the order of time."""
    async with session_server() as through, session_server() as past:
        past.gauge = 7e6
        routes = Routes(direct=Route(url=past.url), layers=Route(url=through.url))
        stage = {"name": "s", "users": 1, "duration": "2200ms"}
        scenario = {"name": "s", "steps": [STEP], "thinkTime": {"type": "Constant", "mean": "10ms"}}
        target = {"poolRef": {"name": "memory"}}
        plan = a_plan(routes, target=target, stages=[stage], scenarios=[scenario], checks={"memoryGrowth": {}})
        run = await run_local(plan, environ={})
        assert through.served > 0
        assert past.served == 0
    assert len(run.result.memory) >= 3
    assert {sample.bytes for sample in run.result.memory} == {7_000_000}
    assert [sample.at_ms for sample in run.result.memory] == sorted(sample.at_ms for sample in run.result.memory)


async def test_memory_that_cannot_be_read_is_said() -> None:
    """A wrong path, and nobody there at all: Inconclusive with what happened."""
    async with session_server() as server:
        missing, _ = await checked(plan_of(server, checks={"memoryGrowth": {"source": {"path": "/nothing"}}}))
        absent, _ = await checked(plan_of(server, checks={"memoryGrowth": {"source": {"port": 1}}}))
        unknown, _ = await checked(plan_of(server, checks={"memoryGrowth": {"source": {"metric": "heap_bytes"}}}))
    assert {row.result for row in (missing, absent, unknown)} == {"Inconclusive"}
    assert "/nothing answered 404" in missing.message
    assert "/metrics on port 1" in absent.message
    assert "there is no gauge heap_bytes" in unknown.message


@pytest.mark.parametrize(("fault", "result"), [("none", "Passed"), ("leaks-memory", "Failed")])
async def test_a_target_that_leaks_is_found_over_twenty_seconds(fault: Fault, result: str) -> None:
    """20 kB a request, thousands of requests; the same without the leak passes."""
    async with session_server(fault) as server:
        row, _ = await checked(plan_of(server, duration="21s", checks={"memoryGrowth": {}}))
    assert row.result == result, row
    assert row.control == "Caught" or fault == "leaks-memory"  # which is steep and uneven, and fails whatever else could be seen
