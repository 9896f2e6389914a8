"""`slipstream circuit` and `slipstream invalidate` beside a real `slipstream run`: what they change, and what they say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from slipstream_cli import admin
from tests.fakes.commands import command, edit, memory_server, running, samples

RECALL = "/episodic/recall?q=pebble"
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


@dataclass(frozen=True)
class Stack:
    url: str
    socket: Path

    async def ask(self, session: str, path: str = RECALL) -> tuple[int, str, str]:
        """Status, reason, and how the cache answered."""
        async with aiohttp.ClientSession(self.url) as http, http.get(path, headers={"X-Session-Id": session}) as answer:
            await answer.read()
            cached = "hit" if "; hit" in answer.headers["Cache-Status"] else "miss"
            return answer.status, answer.headers.get("X-Slipstream-Reason", ""), cached

    async def say(self, *arguments: str) -> tuple[int, str]:
        """Exit code and all that it printed."""
        found = await command(*arguments, "--socket", str(self.socket))
        assert found.exception is None or isinstance(found.exception, SystemExit)
        return found.exit_code, " ".join(found.output.split())

    def circuits(self) -> dict[str, str]:
        (pool,) = admin.get(self.socket, "/status")["pools"]
        return {f"{circuit['rule']}/{circuit['operation']}": circuit["state"] for circuit in pool["circuits"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The samples, whose reads of facts have a circuit for each operation besides."""
    folder = tmp_path_factory.mktemp("stack")
    policies = samples(folder)
    rule = "  rules:\n    - name: each\n      match: {http: {methods: [GET], pathPrefix: /semantic}}\n      scope: Operation\n"
    edit(policies / "circuitbreaker.yaml", "  rules:\n", rule)
    async with memory_server(folder) as port, running(policies, port, folder) as (_, url, socket):
        yield Stack(url, socket)


@pytest.fixture(autouse=True)
def let_go(stack: Stack) -> Iterator[None]:
    """Whatever a test held."""
    yield
    admin.post(stack.socket, "/commands", {"op": "Reset"})


async def test_a_circuit_is_held_open_and_let_go(stack: Stack) -> None:
    """What callers get, what status shows, and how to end it, in the words of the command itself."""
    assert (await stack.ask("ann"))[0] == 200
    code, said = await stack.say("circuit", "open", "memory/default")
    assert (code, said) == (0, "memory/default: held open (1 circuit); let go with: slipstream circuit reset 'memory/default'")
    assert stack.circuits()["default/"] == "ForcedOpen"
    assert (await stack.ask("bob"))[:2] == (503, "CircuitOpen")
    assert "memory failed: CircuitOpen 1" in (await stack.say("status"))[1]
    assert (await stack.ask("ann"))[2] == "hit"
    assert (await stack.say("circuit", "closed", "memory/default"))[0] == 0
    assert stack.circuits()["default/"] == "ForcedClosed"
    assert (await stack.ask("bob"))[0] == 200
    code, said = await stack.say("circuit", "reset", "memory/default")
    assert (code, said) == (0, "memory/default: closed, nothing counted, no longer held (1 circuit)")
    assert stack.circuits()["default/"] == "Closed"


async def test_a_circuit_of_one_operation_is_named_with_it(stack: Stack) -> None:
    """One that isn't there yet is exit code 1, with those that are."""
    operation = "GET /semantic/search"
    assert (await stack.ask("cleo", "/semantic/search?q=x"))[0] == 200
    assert operation in "".join(stack.circuits())
    code, said = await stack.say("circuit", "open", "memory/each/GET /semantic/nothing")
    assert (code, said) == (1, f"error: memory/each has no circuit for GET /semantic/nothing yet: there are {operation}")
    assert (await stack.say("circuit", "open", f"memory/each/{operation}"))[0] == 0
    assert stack.circuits() == {"default/": "Closed", f"each/{operation}": "ForcedOpen"}
    assert (await stack.say("circuit", "reset", "memory"))[0] == 0
    assert set(stack.circuits().values()) == {"Closed"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("circuit", "open", "other/default"), "no pool other: there are memory"),
        (("circuit", "open", "memory/nope"), "pool memory has no breaker rule nope: there are default, each"),
        (("circuit", "open", "memory//x"), "pool memory has no breaker rule /x: there are default, each"),
        (("circuit", "open", "memory/default/GET /x"), "write memory/default"),
        (("invalidate", "--all", "--pool", "other"), "no pool other: there are memory"),
        (("invalidate", "--tag", "nope"), "no cache rule has the tag nope: there are events, facts"),
        (("invalidate", "--rule", "nope"), "no cache rule nope: there are events, facts, recall"),
        (("invalidate", "--policy", "nope"), "no cache policy nope: there are memory"),
    ],
)
async def test_a_name_that_is_nobodys_is_exit_code_2_with_those_that_there_are(
    stack: Stack, arguments: tuple[str, ...], words: str
) -> None:
    """And nothing is changed."""
    before = stack.circuits()
    code, said = await stack.say(*arguments)
    assert code == 2
    assert words in said
    assert stack.circuits() == before


@pytest.mark.parametrize(
    ("arguments", "ended"),
    [
        (("--all",), True),
        (("--all", "--pool", "memory"), True),
        (("--tag", "events"), True),
        (("--tag", "facts", "--tag", "events"), True),
        (("--rule", "recall"), True),
        (("--policy", "memory", "--rule", "recall"), True),
        (("--path", "/episodic/recall"), True),
        (("--partition", "X-Session-Id: {session}"), True),
        (("--rule", "facts"), False),
    ],
)
async def test_an_invalidation_ends_what_it_names_and_says_where(stack: Stack, arguments: tuple[str, ...], ended: bool) -> None:
    """What it doesn't name stays."""
    session = f"dora-{'-'.join(arguments)}"
    await stack.ask(session)
    assert (await stack.ask(session))[2] == "hit"
    assert await stack.say("invalidate", *(argument.format(session=session) for argument in arguments)) == (0, "invalidated in 1 pool")
    assert (await stack.ask(session))[2] == ("miss" if ended else "hit")


async def test_a_caller_that_no_rule_knows_is_exit_code_1(stack: Stack) -> None:
    """Nothing was met, so nothing is claimed."""
    code, said = await stack.say("invalidate", "--partition", "X-Nobody: me")
    assert code == 1
    assert "no cache rule knows a caller by that" in said


async def test_the_socket_speaks_json_to_others_too(stack: Stack) -> None:
    """As the guide has it."""
    found: Any = admin.post(stack.socket, "/commands", json.loads('{"op": "Invalidate", "tags": ["events"]}'))
    assert found == {"matched": 1}
