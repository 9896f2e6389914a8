"""Health checks end to end: a real upstream goes bad and comes back, and status, metrics and callers see what they should of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import HealthCheck, Limits, Tls, Upstream
from tests.fakes.authority import Authority
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, free_port, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream, Script, echo

CHECK = HealthCheck(interval_ms=1_000, timeout_ms=200, path="/healthz", unhealthy_threshold=3, healthy_threshold=2)


async def checked(proxy: Proxied, clock: ManualClock, rounds: int = 1) -> list[bool]:
    """What the status says after each of `rounds` checks."""
    said = []
    for _ in range(rounds):
        await one_check(proxy, clock)
        said.append(proxy.runtime.status().pools[0].healthy)
    return said


async def one_check(proxy: Proxied, clock: ManualClock) -> None:
    """Begun and over, however fast it was."""
    checker = proxy.service.state.checker
    health = checker.health
    assert health is not None
    due = health.next_at
    clock.advance(1.0)
    await until(lambda: health.next_at > due and checker._task is None)


async def until(condition: Callable[[], bool]) -> None:
    """Turns of the loop, the sweep's among them, until it holds."""
    while not condition():
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)


async def steady(proxy: Proxied, clock: ManualClock) -> None:
    """The first check, which comes at a random time within an interval, is over."""
    assert await checked(proxy, clock) == [True]


def metric(proxy: Proxied) -> str:
    return next(line for line in proxy.runtime.metrics().decode().splitlines() if line.startswith("slipstream_pool_healthy{"))


@on_uvloop
async def test_an_upstream_goes_bad_and_comes_back() -> None:
    """After three failures in a row, and two successes; a single one of either changes nothing, and no caller is refused for it."""
    status, paths, clock = b"200 OK", set(), ManualClock()

    async def script(connection: Connection) -> None:
        while True:
            head, _ = await connection.request()
            paths.add(head.split(b" ")[1])
            connection.answer(status=status if head.startswith(b"GET /healthz ") else b"200 OK")

    async with RawUpstream(script) as up, proxied(up.port, clock=clock, health=CHECK) as proxy:
        caller = await proxy.caller()
        await steady(proxy, clock)
        status = b"503 Service Unavailable"
        assert await checked(proxy, clock, 2) == [True, True]
        status = b"200 OK"
        assert await checked(proxy, clock) == [True]
        status = b"503 Service Unavailable"
        assert await checked(proxy, clock, 3) == [True, True, False]
        assert metric(proxy) == 'slipstream_pool_healthy{pool="m"} 0.0'
        assert (await caller.ask(b"/x")).status == 200
        status = b"302 Found"
        assert await checked(proxy, clock, 2) == [False, True]
        assert metric(proxy) == 'slipstream_pool_healthy{pool="m"} 1.0'
        assert paths == {b"/healthz", b"/x"}


@on_uvloop
async def test_a_check_takes_nothing_from_the_pool() -> None:
    """A pool whose only connection is in use isn't unhealthy; requests and checks are counted apart."""
    clock, asked, go = ManualClock(), asyncio.Event(), asyncio.Event()

    async def script(connection: Connection) -> None:
        head, _ = await connection.request()
        if not head.startswith(b"GET /healthz "):
            asked.set()
            await go.wait()
        connection.answer()
        await connection.gone()

    async with RawUpstream(script) as up, proxied(up.port, clock=clock, health=CHECK, limits=Limits(max_connections=1)) as proxy:
        caller = await proxy.caller()
        caller.get()
        await asked.wait()
        assert await checked(proxy, clock, 4) == [True] * 4
        assert (proxy.core.in_use, proxy.core.size, proxy.service.figures.requests) == (1, 1, 1)
        assert up.connections == 5
        go.set()
        assert (await caller.answer()).status == 200


@on_uvloop
async def test_a_process_that_is_killed_and_started_again() -> None:
    """Nobody listens, then somebody does: with a check that only connects."""
    clock, port = ManualClock(), free_port()
    check = HealthCheck(interval_ms=1_000, unhealthy_threshold=2, healthy_threshold=1)
    async with proxied(port, clock=clock, health=check) as proxy:
        assert await checked(proxy, clock, 2) == [True, False]
        async with RawUpstream(port=port) as up:
            assert await checked(proxy, clock) == [True]
            assert up.connections == 1
        assert await checked(proxy, clock, 2) == [True, False]


async def silent(connection: Connection) -> None:
    await connection.gone()


async def hangs_up(connection: Connection) -> None:
    connection.writer.close()


async def babbles(connection: Connection) -> None:
    await connection.request()
    connection.send(b"SSH-2.0-x\r\n\r\n")


async def switches(connection: Connection) -> None:
    await connection.request()
    connection.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")


async def interim(connection: Connection) -> None:
    await connection.request()
    connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    connection.answer(b"a long body", extra=b"X-Well: yes\r\n")


@pytest.mark.parametrize(
    ("script", "well"),
    [(silent, False), (hangs_up, False), (babbles, False), (switches, False), (interim, True), (echo, True)],
)
@on_uvloop
async def test_only_an_answer_is_well(script: Script, well: bool) -> None:
    """Silence ends with the check's timeout; a connection alone is no answer where a path is named, and an interim one isn't either."""
    clock = ManualClock()
    check = HealthCheck(interval_ms=1_000, timeout_ms=100, path="/healthz", unhealthy_threshold=1)
    async with RawUpstream(script) as up, proxied(up.port, clock=clock, health=check) as proxy:
        assert await checked(proxy, clock) == [well]


@on_uvloop
async def test_a_connecting_check_shakes_hands_where_the_upstream_has_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is open in plain text isn't well, nor is one whose certificate nobody vouches for."""
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    known, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    monkeypatch.setenv("SSL_CERT_FILE", str(known.certificate))
    check = HealthCheck(interval_ms=1_000, timeout_ms=500, unhealthy_threshold=1, healthy_threshold=1)
    for tls, well in ((known.server("127.0.0.1"), True), (stranger.server("127.0.0.1"), False), (None, False)):
        clock = ManualClock()
        async with RawUpstream(silent, tls=tls) as up:
            upstream = Upstream(host="127.0.0.1", port=up.port, tls=Tls(mode="Simple"))
            async with proxied(up.port, clock=clock, health=check, upstream=upstream) as proxy:
                assert await checked(proxy, clock) == [well]


@on_uvloop
async def test_without_a_check_nobody_is_asked_and_nothing_is_unhealthy() -> None:
    """And one that is taken out of the configuration ends: with its verdict, and in the middle of a check."""
    clock, reached = ManualClock(), asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        reached.set()
        await connection.gone()

    one = HealthCheck(interval_ms=1_000, timeout_ms=60_000, path="/healthz", unhealthy_threshold=1)
    async with RawUpstream(script) as up, proxied(up.port, clock=clock) as proxy:
        checker = proxy.service.state.checker
        await proxy.apply(health_check=one)
        clock.advance(1.0)
        await reached.wait()
        await proxy.apply(health_check=None)
        await until(lambda: checker._task is None)
        clock.advance(60.0)
        sweeps = proxy.runtime.context.now
        await until(lambda: proxy.runtime.context.now > sweeps)
        assert (up.connections, checker._task, proxy.runtime.status().pools[0].healthy) == (1, None, True)
