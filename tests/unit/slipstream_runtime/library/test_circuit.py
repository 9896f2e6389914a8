"""CircuitBreaker: what counts, what it refuses, and how it recovers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from slipstream_api.clock import ManualClock
from slipstream_runtime.library import CircuitBreaker, CircuitOpen, ConnectFailed, PoolTimeout


def breaker(clock: ManualClock, **options: Any) -> CircuitBreaker:
    settings: dict[str, Any] = {"failure_rate_percent": 50, "minimum_calls": 4, "window_calls": 4, "open_seconds": 30}
    return CircuitBreaker("memory", clock=clock, **{**settings, **options})


def fail(circuit: CircuitBreaker, times: int = 4, error: BaseException | None = None) -> None:
    for _ in range(times):
        with pytest.raises(BaseException, match="down"), circuit:
            raise error or OSError("down")


def test_it_opens_says_when_to_retry_and_closes_after_good_probes() -> None:
    clock = ManualClock()
    seen: list[str] = []
    circuit = breaker(clock, on_transition=lambda change: seen.append(f"{change.before}>{change.after}"))
    fail(circuit)
    clock.advance(10)
    with pytest.raises(CircuitOpen, match=r"'memory' is open: retry after 20 s") as refused, circuit:
        pass
    assert refused.value.retry_after == 20
    clock.advance(20)
    assert circuit.state == "HalfOpen"
    for _ in range(3):
        with circuit:
            pass
    assert circuit.state == "Closed"
    assert seen == ["Closed>Open", "Open>HalfOpen", "HalfOpen>Closed"]
    assert (circuit.stats().trips, circuit.stats().refused) == (1, 1)


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (OSError("down"), True),
        (TimeoutError("down"), True),
        (ConnectFailed("down"), True),
        (asyncio.CancelledError("down"), False),
        (KeyboardInterrupt("down"), False),
        (GeneratorExit("down"), False),
        (PoolTimeout("down"), False),
    ],
)
def test_only_the_upstreams_failures_count(error: BaseException, counts: bool) -> None:
    """Not a cancellation, an interrupt, or a refusal of our own."""
    circuit = breaker(ManualClock())
    fail(circuit, error=error)
    assert circuit.state == ("Open" if counts else "Closed")
    assert circuit.stats().trips == counts


@pytest.mark.parametrize("failure_on", [(OSError,), lambda error: isinstance(error, OSError)])
def test_what_is_no_failure_is_no_success_either(failure_on: Any) -> None:
    circuit = breaker(ManualClock(), failure_on=failure_on)
    fail(circuit, error=ValueError("down"))
    assert circuit.stats().calls == 0
    fail(circuit)
    assert circuit.state == "Open"


async def test_as_async_manager_and_decorator_and_by_hand() -> None:
    circuit = breaker(ManualClock(), minimum_calls=3, failure_rate_percent=100)

    @circuit
    async def call() -> None:
        raise OSError("down")

    @circuit
    def plain(number: int) -> int:
        return number + 1

    with pytest.raises(OSError, match="down"):
        await call()
    async with circuit as answer:
        answer.fail()
    with circuit.guard() as one:
        one.fail()
    assert circuit.state == "Open"
    with pytest.raises(CircuitOpen):
        plain(1)
    with pytest.raises(CircuitOpen):
        await call()
    circuit.reset()
    assert plain(1) == 2
    with pytest.raises(RuntimeError, match="once"):
        one.__enter__()


async def test_a_cancelled_probe_gives_its_place_back() -> None:
    """At each step; else the circuit would be wedged until the lease ends."""
    clock = ManualClock()

    async def probe(circuit: CircuitBreaker) -> None:
        async with circuit:
            for _ in range(3):
                await asyncio.sleep(0)

    for steps in range(7):
        circuit = breaker(clock, max_probes=1, minimum_probes=1)
        fail(circuit)
        clock.advance(30)
        task = asyncio.ensure_future(probe(circuit))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with circuit:  # raises CircuitOpen where the place was lost
            pass
        assert circuit.state == "Closed"


async def test_tasks_inside_of_the_same_circuit_leave_in_any_order() -> None:
    clock = ManualClock()
    circuit = breaker(clock, slow_call_rate_percent=100, slow_call_seconds=5, failure_rate_percent=0, minimum_calls=2, window_calls=2)
    gates = [asyncio.Event() for _ in range(2)]

    async def call(gate: asyncio.Event) -> None:
        async with circuit, circuit:
            await gate.wait()

    tasks = [asyncio.ensure_future(call(gate)) for gate in gates]
    await asyncio.sleep(0)
    clock.advance(4)
    gates[0].set()
    await tasks[0]
    assert circuit.stats().slow == 0
    clock.advance(1)
    gates[1].set()
    await tasks[1]
    assert circuit.state == "Open"
    assert not circuit._entered


async def test_leaving_from_another_task_is_refused_and_a_guard_may() -> None:
    circuit = breaker(ManualClock())
    await circuit.__aenter__()

    async def leave(manager: Any) -> None:
        await manager.__aexit__(None, None, None)

    with pytest.raises(RuntimeError, match="guard"):
        await asyncio.ensure_future(leave(circuit))
    await leave(circuit)
    guard = circuit.guard()
    await guard.__aenter__()
    await asyncio.ensure_future(leave(guard))
    assert circuit.stats().calls == 2


def test_threads_are_counted_each_once() -> None:
    circuit = breaker(ManualClock(), window_calls=1000, minimum_calls=1000)
    barrier = threading.Barrier(4)

    def calls() -> None:
        barrier.wait(10)
        for _ in range(100):
            with circuit:
                pass

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert circuit.stats().calls == 400


def test_commands_and_modes() -> None:
    circuit = breaker(ManualClock())
    circuit.force_open()
    with pytest.raises(CircuitOpen, match="forced") as refused, circuit:
        pass
    assert refused.value.retry_after == 0
    circuit.force_closed()
    fail(circuit)
    circuit.reset()
    assert circuit.state == "Closed"
    shadow = breaker(ManualClock(), mode="Shadow")
    fail(shadow)
    with shadow:
        pass
    assert (shadow.state, shadow.stats().would_refuse) == ("Open", 1)


def test_a_failing_callback_fails_no_call(caplog: pytest.LogCaptureFixture) -> None:
    def bad(_: object) -> None:
        raise RuntimeError("callback")

    circuit = breaker(ManualClock(), on_transition=bad)
    fail(circuit)
    assert circuit.state == "Open"
    assert "on_transition of circuit memory failed" in caplog.text


def test_a_failing_failure_on_gives_its_place_back() -> None:
    clock = ManualClock()
    circuit = breaker(clock, max_probes=1, minimum_probes=1, failure_on=lambda error: 1 / 0 == 1 if str(error) == "odd" else True)
    fail(circuit)
    clock.advance(30)
    with pytest.raises(ZeroDivisionError), circuit:
        raise OSError("odd")
    with circuit:
        pass
    assert circuit.state == "Closed"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"failure_rate": 50}, "unknown options.*failure_rate'.*failure_rate_percent"),
        ({"failure_rate_percent": 101}, "failure_rate_percent=101"),
        ({"minimum_calls": 0}, "minimum_calls=0"),
        ({"open_seconds": 0}, "open_seconds=0"),
        ({"window": float("nan")}, "window=nan"),
        ({"backoff_percent": 50}, "backoff_percent=50"),
        ({"mode": "Off"}, "mode='Off'"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        CircuitBreaker("memory", **options)


def test_generators_are_refused() -> None:
    def several() -> Any:
        yield 1

    with pytest.raises(TypeError, match="generator"):
        CircuitBreaker("memory")(several)
