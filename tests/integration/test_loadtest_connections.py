"""Connections of the HTTP driver against real servers: shared, new for each call, over TLS, and what is the generator's own fault."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from slipstream_api.clock import MonotonicClock
from slipstream_loadtest.engine.driver import TargetUnusable
from slipstream_loadtest.engine.engine import run
from slipstream_loadtest.http.driver import HttpDriver
from slipstream_loadtest.http.resolve import drivers_for, resolver
from slipstream_loadtest.measured.histogram import Histogram, HistogramData
from slipstream_loadtest.measured.part import SeriesPart
from slipstream_loadtest.measured.timings import CallTimings
from slipstream_loadtest.plan.model import Connections, Plan, Target, Tls
from tests.fakes.authority import Authority
from tests.fakes.loadtest_plans import URL, a_plan
from tests.fakes.scripted_target import ScriptedTarget, scripted_target


@pytest.fixture
async def target() -> AsyncIterator[ScriptedTarget]:
    async with scripted_target() as served:
        yield served


def plan_of(path: str, connections: Connections | None = None, *, users: int = 2, duration: str = "80ms", timeout_ms: int = 1000) -> Plan:
    scenarios = [{"name": "s", "steps": [{"name": "get", "http": {"path": path, "headers": {"X-Session-Id": "${session}"}}}]}]
    stages = [{"name": "s", "users": users, "duration": duration}]
    plan = a_plan(URL, scenarios=scenarios, stages=stages, drain_ms=60, timeout_ms=timeout_ms)
    return msgspec.structs.replace(plan, connections=connections or Connections())


async def measured(target: ScriptedTarget, plan: Plan, *, tls: Tls | None = None) -> SeriesPart:
    part = await run(plan, 0, MonotonicClock(), {"Direct": HttpDriver(plan, target.url, resolver("System"), tls=tls)})
    return part.phases[0].series[0]


def quantile(data: HistogramData, q: float = 0.5) -> float:
    found = Histogram.decode(data).quantile(q)
    assert found is not None
    return found / 1e6


async def test_trap_t19_a_pool_of_one_with_a_hundred_users_shows_the_wait(target: ScriptedTarget):
    """Answers take 2 ms each, one at a time: nearly all of a caller's time is the queue, and it isn't hidden in the first byte."""
    series = await measured(target, plan_of("/slow?ms=2", Connections(shared=1), users=100, duration="500ms"))
    assert target.connections == 1
    assert series.completed > 20
    assert series.timings is not None
    service, queue, first = (quantile(data) for data in (series.service, series.timings.queue, series.timings.first_byte))
    assert queue > 5 * first
    assert queue + first == pytest.approx(service, rel=0.25)
    assert first < 0.5 * service


async def test_trap_t19_with_a_connection_each_there_is_no_wait(target: ScriptedTarget):
    """The control: the same users with their own connections queue for nothing."""
    series = await measured(target, plan_of("/slow?ms=2", users=20))
    assert series.timings is not None
    assert series.timings.queue.max == 0


async def test_users_take_turns_and_every_answer_is_the_right_user_s(target: ScriptedTarget):
    """Seven users on two connections, first come, first served: nobody gets another one's answer, nobody is left out."""
    plan = plan_of("/things", Connections(shared=2), users=7, duration="200ms")
    expect = msgspec.structs.replace(plan.scenarios[0].steps[0].expect, contains=('"session": "${session}"',))
    step = msgspec.structs.replace(plan.scenarios[0].steps[0], expect=expect)
    plan = msgspec.structs.replace(plan, scenarios=(msgspec.structs.replace(plan.scenarios[0], steps=(step,)),))
    series = await measured(target, plan)
    assert (series.failed, series.completed) == (0, series.offered)
    assert target.connections == 2
    by_user = [
        sum(r.headers["x-session-id"] == name for r in target.requests) for name in {r.headers["x-session-id"] for r in target.requests}
    ]
    assert len(by_user) == 7
    assert max(by_user) - min(by_user) <= 2


async def test_shared_connections_are_all_runners_together(target: ScriptedTarget):
    """Three of them for two runners: two and one."""
    plan = msgspec.structs.replace(plan_of("/things", Connections(shared=3), users=8), runners=2)
    for index in (0, 1):
        before = target.connections
        driver = HttpDriver(plan, target.url, resolver("System"))
        await run(plan, index, MonotonicClock(), {"Direct": driver})
        assert target.connections - before == 2 - index


async def test_who_gives_up_waiting_is_passed_over(target: ScriptedTarget):
    """The line stalls, all time out, whether they hold it or wait; it is free again for those who ask next."""
    series = await measured(target, plan_of("/stall", Connections(shared=1), users=5, timeout_ms=20, duration="100ms"))
    assert set(series.errors) == {"Timeout"}
    assert series.failed + series.censored == series.offered > 5


async def test_trap_t20_without_reuse_every_call_opens_its_connection(target: ScriptedTarget):
    """None is opened ahead, none is reused, and each call's connecting is told."""
    series = await measured(target, plan_of("/things", Connections(reuse=False)))
    assert (series.failed, series.reused) == (0, 0)
    assert series.opened == series.completed == target.connections > 2
    assert {r.headers["connection"] for r in target.requests} == {"close"}
    assert series.timings is not None
    assert series.timings.connect.count == series.completed
    assert series.timings.tls.count == 0


async def test_trap_t20_kept_connections_are_reused(target: ScriptedTarget):
    """The control: opened ahead, so that no call opens one, and no connecting is told."""
    series = await measured(target, plan_of("/things"))
    assert (series.opened, series.reused) == (0, series.completed)
    assert series.timings is not None
    assert series.timings.connect.count == 0


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """This process may open no further file while it lasts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as lowest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest.fileno() + 1, hard))
        filling = []
        try:
            while True:
                filling.append(socket.socket())
        except OSError:
            pass
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for one in filling:
                one.close()


async def outcome(driver: HttpDriver) -> tuple[str, bool]:
    """What comes of one call."""
    ends: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()

    class Listener:
        def answered(self, error: str, cache: str, opened: bool, timings: CallTimings | None = None) -> None:
            ends.put_nowait((error, opened))

    channel = driver.channel(0, "s-0", Listener())
    channel.call(0, 0, 1, 1)
    try:
        return await ends.get()
    finally:
        channel.close()


async def test_trap_t20_running_out_of_descriptors_is_the_generators_own_error(target: ScriptedTarget):
    """No socket to be had: LocalPorts, not Connect; with a socket the same call is right."""
    driver = HttpDriver(plan := plan_of("/things"), target.url, resolver("System"))
    await driver.prepare()
    with no_more_descriptors():
        assert await outcome(driver) == ("LocalPorts", True)
    assert await outcome(driver) == ("", True)
    assert plan.connections.reuse


async def test_trap_t20_no_free_port_is_the_generators_own_error(target: ScriptedTarget, monkeypatch: pytest.MonkeyPatch):
    """EADDRNOTAVAIL, as the system answers when all local ports are taken."""
    driver = HttpDriver(plan_of("/things"), target.url, resolver("System"))
    await driver.prepare()

    async def taken(*_: Any) -> None:
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", taken)
    assert await outcome(driver) == ("LocalPorts", True)


async def test_trap_t20_a_call_without_a_connection_neither_opened_nor_reused_one():
    """Nobody listens: all calls failed to connect, and the share of reused connections says nothing of them."""
    async with scripted_target() as gone:
        pass
    series = await measured(gone, plan_of("/things", users=1))
    assert series.errors == {"Connect": series.failed}
    assert series.failed > 0
    assert series.opened == series.reused == 0


async def test_an_answer_in_two_pieces_tells_when_its_first_byte_came(target: ScriptedTarget):
    """The rest comes 10 ms after the head: last byte, not first."""
    series = await measured(target, plan_of("/drip"))
    assert series.failed == 0
    assert series.timings is not None
    assert quantile(series.timings.last_byte) >= 9
    assert quantile(series.timings.first_byte) + quantile(series.timings.last_byte) == pytest.approx(quantile(series.service), rel=0.3)


async def test_tls_is_verified_and_told_apart_from_connecting(tmp_path: Path):
    """With the plan's own certificates; both have a duration for each connection that was opened."""
    authority = Authority(tmp_path)
    async with scripted_target(authority.server("localhost")) as target:
        tls = Tls(ca=authority.certificate.read_text())
        series = await measured(target, plan_of("/things", Connections(reuse=False)), tls=tls)
    assert (series.failed, series.completed) == (0, series.opened)
    assert series.timings is not None
    assert series.timings.connect.count == series.timings.tls.count == series.completed > 0
    assert series.timings.tls.min > series.timings.connect.min > 0


@pytest.mark.parametrize(
    ("tls", "errors"),
    [
        (Tls(), {"Tls"}),
        (None, {"Tls"}),
        (Tls(ca="own", server_name="other.example"), {"Tls"}),
        (Tls(verify=False), set()),
        (Tls(ca="own"), set()),
        (Tls(ca="own", server_name="also.example"), set()),
    ],
)
async def test_who_the_target_must_be(tmp_path: Path, tls: Tls | None, errors: set[str]):
    """Unknown authorities and other names are failures of their own kind; None accepts any; a server name replaces the URL's host."""
    authority = Authority(tmp_path)
    if tls is not None and tls.ca:
        tls = msgspec.structs.replace(tls, ca=authority.certificate.read_text())
    async with scripted_target(authority.server("localhost", "also.example")) as target:
        series = await measured(target, plan_of("/things", users=1), tls=tls)
    assert set(series.errors) == errors
    assert bool(series.completed) != bool(errors)
    assert not errors or series.opened == series.reused == 0


@pytest.mark.parametrize(("says", "error"), [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "Tls"), (b"", "Timeout")])
async def test_a_server_that_does_not_speak_tls(says: bytes, error: str):
    """Connected, and then nonsense or nothing: no agreement on TLS, or the call's timeout; nothing waits for longer than that."""
    writers = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        writers.append(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    target = ScriptedTarget(url=f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    series = await measured(target, plan_of("/things", users=1, timeout_ms=50, duration="150ms"), tls=Tls(verify=False))
    assert set(series.errors) == {error}
    server.close()
    for writer in writers:
        writer.close()


def test_certificates_that_cannot_be_read_make_a_target_unusable():
    """Before anything runs; drivers take TLS from the plan's target."""
    plan = msgspec.structs.replace(plan_of("/things"), targets=(Target(name="Direct", url="https://127.0.0.1:1", tls=Tls(ca="no PEM")),))
    with pytest.raises(TargetUnusable, match=r"target\.tls: the trusted certificates can't be read"):
        drivers_for(plan, {})


async def test_values_of_an_answer_go_into_the_next_step(target: ScriptedTarget):
    """By JSON and by header, each user its own, in one iteration."""
    steps = [
        {"name": "take", "http": {"path": "/ticket"}},
        {"name": "use", "http": {"path": "/things"}},
    ]
    plan = a_plan(URL, scenarios=[{"name": "s", "steps": steps}], stages=[{"name": "s", "users": 2, "duration": "80ms"}], drain_ms=60)
    take, use = plan.scenarios[0].steps
    steps_now = msgspec.convert(
        [
            msgspec.to_builtins(take)
            | {
                "expect": {"json": [{"expression": "owner.n", "equals": "7"}], "headers": [["X-Kind", "a"]]},
                "extract": [{"name": "id", "json": "id"}, {"name": "ticket", "header": "X-Ticket"}],
            },
            msgspec.to_builtins(use) | {"http": {"path": "/use/${id}", "headers": [["X-T", "${ticket}"]]}},
        ],
        tuple[type(take), ...],
    )
    plan = msgspec.structs.replace(plan, scenarios=(msgspec.structs.replace(plan.scenarios[0], steps=steps_now),))
    part = await run(plan, 0, MonotonicClock(), {"Direct": HttpDriver(plan, target.url, resolver("System"))})
    taken, used = part.phases[0].series
    assert (taken.failed, used.failed) == (0, 0)
    assert used.completed > 3
    assert {(r.path, r.headers["x-t"]) for r in target.requests if r.path.startswith("/use")} == {("/use/t%201", "h-9")}


async def test_a_value_that_an_answer_lacks_ends_the_iteration_as_wrong(target: ScriptedTarget):
    """The control: another path answers without it, and the next step is never sent."""
    plan = plan_of("/things", users=1)
    step = plan.scenarios[0].steps[0]
    taking = msgspec.convert(msgspec.to_builtins(step) | {"extract": [{"name": "id", "json": "id"}]}, type(step))
    using = msgspec.structs.replace(step, name="use", http=msgspec.structs.replace(step.http, path="/use/${id}"))
    plan = msgspec.structs.replace(plan, scenarios=(msgspec.structs.replace(plan.scenarios[0], steps=(taking, using)),))
    part = await run(plan, 0, MonotonicClock(), {"Direct": HttpDriver(plan, target.url, resolver("System"))})
    taken, used = part.phases[0].series
    assert taken.errors == {"Wrong": taken.offered}
    assert taken.wrong > 0
    assert used.offered == 0
