"""Circuits that are held by command, and answers that are ended by one, through the admin API's socket: what callers get then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from slipstream_api.config import BreakerRule, Partition, Trip
from slipstream_cli import admin
from slipstream_runtime.local import LocalServer
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Caller, Proxied, cache_rule, metrics, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream
from tests.fakes.stripes import apart, strangers

FRAGILE = Trip(consecutive_failures=1)


class Commanded:
    def __init__(self, proxy: Proxied, socket: Path) -> None:
        self.proxy, self.socket = proxy, socket

    async def send(self, op: str, **selector: Any) -> int:
        """How much the command met."""
        found = await asyncio.to_thread(admin.post, self.socket, "/commands", {"op": op, **selector})
        assert set(found) == {"matched"}
        return int(found["matched"])

    def states(self) -> dict[str, str]:
        """By rule and operation."""
        (pool,) = self.proxy.runtime.status().pools
        return {f"{circuit.rule}/{circuit.operation}": circuit.state for circuit in pool.circuits}


@asynccontextmanager
async def commanded(folder: Path, script: Any = None, **config: Any) -> AsyncIterator[tuple[Commanded, Caller]]:
    async with RawUpstream(*(() if script is None else (script,))) as up, proxied(up.port, **config) as proxy:
        server = await LocalServer.open(proxy.runtime, folder / "s.sock")
        try:
            yield Commanded(proxy, folder / "s.sock"), await proxy.caller()
        finally:
            await server.close()


async def failing(connection: Connection) -> None:
    while True:
        await connection.request()
        connection.answer(status=b"500 Bad")


@on_uvloop
async def test_a_circuit_held_open_refuses_a_healthy_upstream_until_it_is_reset(tmp_path: Path) -> None:
    """Across a reload; another rule's calls go on."""
    rules = (BreakerRule(name="c", policy="b", match=cache_rule().match), BreakerRule(name="rest", policy="b"))
    async with commanded(tmp_path, breakers=rules) as (held, caller):
        assert (await caller.ask(b"/c")).status == 200
        assert await held.send("ForceOpen", pool="m", rule="c") == 1
        for _ in range(2):
            found = await caller.ask(b"/c")
            assert (found.status, found.fields[b"x-slipstream-reason"]) == (503, b"CircuitOpen")
            await held.proxy.apply(breaker_rules=rules)
        assert (await caller.ask(b"/x")).status == 200
        assert held.states() == {"c/": "ForcedOpen", "rest/": "Closed"}
        assert metrics(held.proxy)["slipstream_circuits"]["m", "c", "ForcedOpen"] == 1.0
        assert await held.send("Reset", rule="c") == 1
        assert (await caller.ask(b"/c")).status == 200
        assert held.states() == {"c/": "Closed", "rest/": "Closed"}


@on_uvloop
async def test_a_circuit_held_closed_lets_everything_through_and_counts_again_once_reset(tmp_path: Path) -> None:
    """The control: without the command the first failure opens it."""
    async with commanded(tmp_path, failing, breakers=(BreakerRule(name="b", policy="b", trip=FRAGILE),)) as (held, caller):
        assert await held.send("ForceClosed") == 1
        assert [(await caller.ask()).status for _ in range(3)] == [500, 500, 500]
        assert held.states() == {"b/": "ForcedClosed"}
        await held.send("Reset")
        assert [(await caller.ask()).status for _ in range(3)] == [500, 503, 503]
        await held.send("Reset")
        assert held.states() == {"b/": "Closed"}


@on_uvloop
async def test_of_a_rule_with_many_circuits_one_is_held_or_all_with_those_to_come(tmp_path: Path) -> None:
    """One that nobody has asked for yet can't be held by itself, which is said by a 0; explain knows as what it begins."""
    paths = ("/a", "/b", "/c")
    rules = tuple(cache_rule(path, name=path[1:]) for path in paths)
    async with commanded(tmp_path, breakers=(BreakerRule(name="b", policy="b", scope="Operation"),), cache=rules) as (held, caller):
        for path in paths[:2]:
            await caller.ask(path.encode(), b"Cache-Control: no-cache\r\n")
        assert await held.send("ForceOpen", rule="b", operation="GET /a") == 1
        assert await held.send("ForceOpen", rule="b", operation="GET /c") == 0
        assert held.states() == {"b/GET /a": "ForcedOpen", "b/GET /b": "Closed"}
        assert await held.send("ForceOpen", rule="b") == 2
        assert held.proxy.runtime.explain("GET", "/c", "m")["breaker"]["state"] == "ForcedOpen"
        assert (await caller.ask(b"/c")).status == 503
        assert set(held.states().values()) == {"ForcedOpen"}
        assert await held.send("Reset", rule="b", operation="GET /c") == 1
        assert (await caller.ask(b"/c")).status == 200
        assert await held.send("Reset", policy="b") == 3
        assert held.proxy.runtime.explain("GET", "/d", "m")["breaker"]["state"] == "Closed"


@on_uvloop
@pytest.mark.parametrize("op", ["ForceOpen", "ForceClosed", "Reset"])
@pytest.mark.parametrize("selector", [{"pool": "x"}, {"rule": "x"}, {"policy": "x"}, {"rule": "b", "operation": "GET /"}])
async def test_a_selector_that_names_nothing_changes_nothing(tmp_path: Path, op: str, selector: dict[str, str]) -> None:
    """And says so."""
    async with commanded(tmp_path, failing, breakers=(BreakerRule(name="b", policy="b", trip=FRAGILE),)) as (held, caller):
        await caller.ask()
        assert await held.send(op, **selector) == 0
        assert held.states() == {"b/": "Open"}


@on_uvloop
async def test_what_is_no_command_is_refused_in_words(tmp_path: Path) -> None:
    """A field of another version as much as one that is misspelt."""
    async with commanded(tmp_path) as (held, _):
        for op, more in (("Explode", {}), ("Reset", {"ruel": "b"})):
            with pytest.raises(ValueError, match="not a command"):
                await held.send(op, **more)


A = "/a"
B = apart("/b{}", A)
S = apart("/s{}", A, B)
NOWHERE = apart("/n{}", A, B, S)
READS = (
    cache_rule(A, name="a", partition=Partition(type="Header", headers=("x-who",))),
    cache_rule(B, name="b", partition=Partition(type="Header", headers=("x-who", "x-team"))),
    cache_rule(S, name="s"),
)


@on_uvloop
@pytest.mark.parametrize(
    ("selector", "matched", "dead"),
    [
        ({"partition": [["X-Who", "ann"]]}, 1, {("a", "ann")}),
        ({"partition": [["x-who", "ann"], ["X-Team", "t"]]}, 1, {("a", "ann"), ("b", "ann")}),
        ({"partition": [["X-Other", "ann"]]}, 0, set()),
        ({"partition": [["X-Who", "ann"], ["X Team", "t"]]}, 0, set()),
        ({"partition": [["X-Who", "ann"]], "rule": "s"}, 0, set()),
        ({"paths": [S]}, 1, {("s", "ann")}),  # a shared one, which the first who asks fetches anew
        ({"paths": [A, NOWHERE], "tags": ["unknown"]}, 1, {("a", "ann"), ("a", "other")}),
    ],
    ids=["caller", "more-lines", "no-identity", "no-header", "shared", "path", "paths"],
)
async def test_an_invalidation_by_caller_or_by_path_ends_what_it_names(
    tmp_path: Path, selector: dict[str, Any], matched: int, dead: set[tuple[str, str]]
) -> None:
    """A rule that knows callers by more lines isn't met by fewer; a shared answer is nobody's."""
    async with commanded(tmp_path, cache=READS) as (held, caller):
        names = strangers(held.proxy, "X-Who: {}", "X-Team: t")

        async def missing() -> set[tuple[str, str]]:
            found = set()
            for rule, path in zip("abs", (A, B, S), strict=True):
                for who, name in zip(("ann", "other"), names, strict=True):
                    answer = await caller.ask(path.encode(), b"X-Who: %b\r\nX-Team: t\r\n" % name.encode())
                    if b"; hit" not in answer.fields[b"cache-status"]:
                        found.add((rule, who))
            return found

        await missing()
        assert await missing() == set()
        assert await held.send("Invalidate", **selector) == matched
        assert await missing() == dead
