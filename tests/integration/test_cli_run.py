"""`slipstream run` as a process on loopback: it serves, reloads, refuses, reports, and drains on Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from slipstream_cli import admin
from tests.fakes.commands import SLIPSTREAM, Process, command, edit, free_port, memory_server, running, samples

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "observability.md"
RECALL = "/episodic/recall?q=pebble"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Stack:
    """A memory server, the layers in front of it, and the files that they follow."""

    layers: Process
    url: str
    socket: Path
    server: str
    policies: Path

    async def recalls(self) -> int:
        """How many the server has served, by its own counter."""
        async with aiohttp.ClientSession(self.server) as http, http.get("/stats") as answer:
            return int((await answer.json())["operations"].get("episodic/recall", 0))

    async def get(self, path: str, headers: dict[str, str]) -> Any:
        """Without Accept-Encoding, as `slipstream explain` asks: it is part of the key."""
        async with (
            aiohttp.ClientSession(self.url, skip_auto_headers=["Accept-Encoding"]) as http,
            http.get(path, headers=headers) as answer,
        ):
            assert answer.status == 200
            return await answer.json()

    async def remember(self, text: str, headers: dict[str, str]) -> None:
        async with aiohttp.ClientSession(self.url) as http, http.post("/episodic/remember", json={"text": text}, headers=headers) as answer:
            assert answer.status == 201


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Everything as in the demo, without the seed. One for all tests, each of which has sessions of its own."""
    folder = tmp_path_factory.mktemp("stack")
    policies = samples(folder)
    async with memory_server(folder) as port, running(policies, port, folder) as (process, url, socket):
        yield Stack(process, url, socket, f"http://127.0.0.1:{port}", policies)


def session(name: str) -> dict[str, str]:
    return {"X-Session-Id": name}


async def test_a_repeated_read_never_reaches_the_server_and_a_write_ends_what_was_kept(stack: Stack) -> None:
    """By the server's own counter; each session has its own, and sees its write at once."""
    ann, bob = session("ann"), session("bob")
    await stack.remember("ann's pebble", ann)
    before = await stack.recalls()
    for _ in range(5):
        assert [row["text"] for row in (await stack.get(RECALL, ann))["results"]] == ["ann's pebble"]
    assert await stack.recalls() == before + 1
    assert (await stack.get(RECALL, bob))["results"] == []
    assert await stack.recalls() == before + 2
    await stack.remember("another pebble", ann)
    assert len((await stack.get(RECALL, ann))["results"]) == 2
    assert await stack.recalls() == before + 3


async def test_an_edit_is_in_force_and_named_rule_by_rule_without_losing_what_is_kept(stack: Stack) -> None:
    """What the edit doesn't concern is served from the cache as before."""
    carl = session("carl")
    await stack.get(RECALL, carl)
    before = await stack.recalls()
    edit(stack.policies / "cachepolicy.yaml", "path: /episodic/getRecent\n      ttl: 5m", "path: /episodic/getRecent\n      ttl: 1m")
    await stack.layers.until("reloaded: pool memory: cache rule recent: ttlMs 300000 → 60000")
    await stack.get(RECALL, carl)
    assert await stack.recalls() == before


async def test_a_bad_edit_is_named_with_its_line_and_leaves_the_old_configuration_in_force(stack: Stack) -> None:
    """And the next good one is taken."""
    before = admin.get(stack.socket, "/status")["revision"]
    edit(stack.policies / "circuitbreaker.yaml", "duration: 60s", "duration: soon")
    said = await stack.layers.until("stays in force")
    line = (stack.policies / "circuitbreaker.yaml").read_text().splitlines().index("        duration: soon") + 1
    assert f"circuitbreaker.yaml:{line}: spec.rules[0].open.duration" in said
    await stack.get(RECALL, session("dora"))
    assert admin.get(stack.socket, "/status")["revision"] == before
    edit(stack.policies / "circuitbreaker.yaml", "duration: soon", "duration: 10s")
    await stack.layers.until("breaker rule default: open.durationMs 60000 → 10000")
    assert admin.get(stack.socket, "/status")["revision"] != before


async def test_explain_tells_why_and_sends_nothing(stack: Stack) -> None:
    """A reason for each decision; a request without a session is kept for nobody, a write says that it ends something."""
    before = await stack.recalls()
    for arguments, decision, why in (
        (("-H", "X-Session-Id: emil"), "miss", "no such answer is stored"),
        ((), "bypass", "no-identity"),
        (("-X", "POST", "-H", "X-Session-Id: emil"), "bypass", "only GET"),
    ):
        found = await command("explain", f"{stack.url}{RECALL}", *arguments, "--socket", str(stack.socket))
        story = json.loads(found.stdout)["cache"]
        assert (found.exit_code, story["decision"]) == (0, decision)
        assert why in story["why"]
    assert await stack.recalls() == before
    written = await command("explain", f"{stack.url}/episodic/remember", "-X", "POST", "--socket", str(stack.socket))
    ends = '"invalidates": {"by": ["remember"], "everything": false, "tags": ["events"], "rules": [], "paths": ["/episodic/remember"]}'
    assert json.loads(written.stdout)["invalidates"] == json.loads(f"{{{ends}}}")["invalidates"]
    assert ends in GUIDE.read_text()


async def test_explain_says_hit_to_a_request_that_would_be_one(stack: Stack) -> None:
    """The same fields, the same key: what is stored is found. Another Accept-Encoding is another key, and shown as such."""
    address = f"{stack.url}{RECALL}"
    await stack.get(RECALL, session("fina"))
    asked = ("-H", "X-Session-Id: fina", "--socket", str(stack.socket))
    story = json.loads((await command("explain", address, *asked)).stdout)["cache"]
    assert (story["decision"], story["keyHeaders"]) == ("hit", {"host": stack.url.removeprefix("http://"), "accept": "*/*"})
    other = json.loads((await command("explain", address, "-H", "Accept-Encoding: gzip", *asked)).stdout)["cache"]
    assert (other["decision"], other["keyHeaders"]["accept-encoding"]) == ("miss", "gzip")


async def test_status_shows_what_the_layers_did(stack: Stack) -> None:
    """For people, and the same for programs."""
    await stack.get(RECALL, session("gina"))
    found = await command("status", "-o", "json", "--socket", str(stack.socket))
    (pool,) = json.loads(found.stdout)["pools"]
    assert (found.exit_code, pool["name"], pool["errorsTotal"]) == (0, "memory", 0)
    assert pool["cache"][0]["misses"] >= 1
    shown = await command("status", "--socket", str(stack.socket))
    assert re.search(rf"memory +{pool['requestsTotal']} +0 +0/100", shown.stdout), shown.stdout
    assert "default Closed" in shown.stdout


async def test_a_taken_socket_and_a_taken_port_are_said_in_words(stack: Stack, tmp_path: Path) -> None:
    """With what to do, and no traceback; the one that runs goes on."""
    start = (*SLIPSTREAM, "run", "-f", str(stack.policies))
    port = stack.url.rpartition(":")[2]
    same_socket = await Process.start(*start, "--listen", f"memory={free_port()}", "--socket", str(stack.socket))
    same_port = await Process.start(*start, "--listen", f"memory={port}", "--socket", str(tmp_path / "other.sock"))
    assert (await same_socket.end(), await same_port.end()) == (1, 1)
    assert "name another socket" in same_socket.said
    assert "--listen" in same_port.said
    assert "Traceback" not in same_socket.said + same_port.said
    await stack.get(RECALL, session("hugo"))


@pytest_asyncio.fixture(loop_scope="module")
async def stalled(tmp_path: Path) -> AsyncIterator[tuple[Process, str, asyncio.Event, asyncio.Event]]:
    """Layers in front of a server that answers when told: the process, URL, `asked` and `go`."""
    asked, go = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.path != "/healthz":
            asked.set()
            await go.wait()
        return web.Response(text="done")

    app = web.Application()
    app.router.add_get("/{any:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with running(samples(tmp_path), runner.addresses[0][1], tmp_path) as (process, url, socket):
            yield process, url, asked, go
            assert not socket.exists()
    finally:
        await runner.cleanup()


async def refused(url: str) -> None:
    """Waits until nobody listens any more."""
    host, port = url.removeprefix("http://").split(":")
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                continue  # it connected in the moment between the last accept and the end of the socket
            writer.close()


async def test_ctrl_c_lets_a_request_in_flight_finish(stalled: tuple[Process, str, asyncio.Event, asyncio.Event]) -> None:
    """Its answer comes whole, nothing new is taken, the socket goes, exit code 0."""
    process, url, asked, go = stalled

    async def ask() -> str:
        async with aiohttp.ClientSession() as http, http.get(f"{url}/slow") as answer:
            return await answer.text()

    waiting = asyncio.create_task(ask())
    await asked.wait()
    process.signal()
    await refused(url)
    go.set()
    assert await waiting == "done"
    assert await process.end() == 0


async def test_a_second_ctrl_c_waits_for_nobody(stalled: tuple[Process, str, asyncio.Event, asyncio.Event]) -> None:
    """A request that never ends doesn't hold it."""
    process, url, asked, _ = stalled
    async with aiohttp.ClientSession() as http:
        waiting = asyncio.create_task(http.get(f"{url}/slow"))
        await asked.wait()
        process.signal()
        await process.until("draining")
        process.signal()
        assert await process.end() == 0
        with pytest.raises(aiohttp.ClientError):
            await waiting


@pytest.mark.parametrize(("more", "lines"), [(("--access-log", "1"), 3), ((), 0)], ids=["all", "off"])
async def test_an_access_log_is_asked_for_and_has_no_path_in_it(tmp_path: Path, more: tuple[str, ...], lines: int) -> None:
    """One line an answer by the time it has drained; none where nobody asked for it."""
    async with memory_server(tmp_path) as port, running(samples(tmp_path), port, tmp_path, *more) as (process, url, _):
        async with aiohttp.ClientSession(url) as http:
            for _ in range(3):
                async with http.get(RECALL, headers=session("eve")) as answer:
                    assert answer.status == 200
        process.signal()
        assert await process.end() == 0
        found = [json.loads(line) for line in process.said.splitlines() if line.startswith("{")]
    assert [line["operation"] for line in found] == ["GET /episodic/recall"] * lines
    assert "pebble" not in process.said
