"""The memory service over HTTP: every operation, what it refuses and how, and what it counts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from memory_server import store
from memory_server.app import DATABASE, application
from memory_server.database import Database
from slipstream_loadtest.probing.gauge import gauge

Client = TestClient[web.Request, web.Application]
ANN = {"X-Session-Id": "ann"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    """The service on an empty database with one text that everybody may know."""
    database = Database(tmp_path / "memory.db")
    await database.open(seeded=False)
    await database.write(lambda c: store.seed(c, [("threading", "a thread runs apart")], 0))
    async with TestClient(TestServer(application(database))) as client:
        yield client
    await database.close()


async def asked(client: Client, path: str, body: Any = None, headers: dict[str, str] = ANN) -> tuple[int, Any]:
    """GET, or POST where there is a body."""
    data = None if body is None else json.dumps(body)
    async with client.request("GET" if data is None else "POST", path, data=data, headers=headers) as answer:
        return answer.status, json.loads(await answer.text())


async def test_an_event_lives_from_remember_to_forget(client: Client) -> None:
    """All episodic operations see it, and none sees it after."""
    status, stored = await asked(client, "/episodic/remember", {"text": "a thread of mine"})
    assert (status, stored["session"], stored["query"]) == (201, "ann", "remember")
    event = stored["results"][0]["id"]
    for path in ("/episodic/recall?q=mine", "/episodic/getRecent", "/episodic/listEvents"):
        _, found = await asked(client, path)
        assert [row["text"] for row in found["results"]] == ["a thread of mine"], path
    assert (await asked(client, "/episodic/forget", {"id": event}))[0] == 200
    for path in ("/episodic/recall?q=mine", "/episodic/getRecent", "/episodic/listEvents"):
        assert (await asked(client, path))[1]["results"] == [], path
    assert (await asked(client, "/episodic/forget", {"id": event})) == (404, {"error": f"no event {event} in this session"})


async def test_a_fact_lives_from_store_to_update(client: Client) -> None:
    """Search finds shared knowledge and one's own; list has one's own only."""
    _, stored = await asked(client, "/semantic/store", {"topic": "thread", "text": "mine is blue"})
    fact = stored["results"][0]["id"]
    _, found = await asked(client, "/semantic/search?q=thread")
    assert {row["topic"] for row in found["results"]} == {"thread", "threading"}
    assert (await asked(client, "/semantic/update", {"id": fact, "text": "mine is red"}))[0] == 200
    _, listed = await asked(client, "/semantic/list")
    assert [row["text"] for row in listed["results"]] == ["mine is red"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/episodic/recall?q=thread%20pool", "thread pool"),
        ("/semantic/search?q=caf%C3%A9", "café"),
        ("/episodic/getRecent?limit=3", "limit=3"),
        ("/episodic/listEvents?offset=2", "limit=50 offset=2"),
        ("/semantic/list?limit=7&offset=2", "limit=7 offset=2"),
    ],
)
async def test_an_answer_says_who_asked_and_what(client: Client, path: str, query: str) -> None:
    """So that the answer to another question, or to another caller, can be told."""
    status, answer = await asked(client, path)
    assert (status, answer["session"], answer["query"]) == (200, "ann", query)


@pytest.mark.parametrize(
    ("path", "body", "headers", "words"),
    [
        ("/episodic/recall?q=x", None, {}, "X-Session-Id"),
        ("/semantic/search?q=x", None, {"X-Session-Id": " "}, "X-Session-Id"),
        ("/episodic/getRecent", None, {"X-Session-Id": "a" * 201}, "at most 200"),
        ("/episodic/recall", None, ANN, "?q="),
        ("/episodic/listEvents?limit=-1", None, ANN, "whole number"),
        ("/episodic/listEvents?limit=%D9%A3", None, ANN, "whole number"),
        ("/semantic/list?offset=99999999999999999999", None, ANN, "whole number"),
        ("/episodic/remember", {"text": ""}, ANN, "'text'"),
        ("/episodic/remember", ["text"], ANN, "JSON object"),
        ("/episodic/remember", {"text": "half \ud83d"}, ANN, "UTF-8"),
        ("/episodic/forget", {"id": True}, ANN, "'id'"),
        ("/episodic/forget", {"id": 2**63}, ANN, "earlier answer"),
        ("/semantic/update", {"id": 1}, ANN, "'text'"),
    ],
)
async def test_what_cannot_be_understood_is_400_and_says_what_to_change(
    client: Client, path: str, body: Any, headers: dict[str, str], words: str
) -> None:
    """Never a 500, whatever is sent."""
    status, answer = await asked(client, path, body, headers)
    assert status == 400
    assert words in answer["error"]


async def test_a_body_that_is_no_json_is_400(client: Client) -> None:
    """With what to send instead."""
    async with client.post("/episodic/remember", data=b"\xff{", headers=ANN) as answer:
        assert answer.status == 400
        assert "JSON object" in await answer.text()


async def test_counters_count_operations_and_not_paths_that_nobody_serves(client: Client) -> None:
    """A proof that a cache answered needs true counters; a scanner must not fill them."""
    for _ in range(3):
        await asked(client, "/semantic/search?q=thread")
    for number in range(50):
        async with client.get(f"/nowhere/{number}", headers=ANN) as answer:
            assert answer.status == 404
    _, stats = await asked(client, "/stats")
    assert stats["operations"]["semantic/search"] == 3
    assert not [operation for operation in stats["operations"] if "nowhere" in operation]


async def test_health_asks_for_no_session(client: Client) -> None:
    """A kubelet has none."""
    assert await asked(client, "/healthz", headers={}) == (200, {"ok": True})


async def test_a_task_lives_from_create_to_complete(client: Client) -> None:
    """Open ones are listed, newest first, to their session alone; a task is done once."""
    ids = [(await asked(client, "/prospective/createTask", {"text": text}))[1]["results"][0]["id"] for text in ("first", "second")]
    assert [row["text"] for row in (await asked(client, "/prospective/listTasks"))[1]["results"]] == ["second", "first"]
    assert (await asked(client, "/prospective/listTasks", headers={"X-Session-Id": "bob"}))[1]["results"] == []
    assert (await asked(client, "/prospective/completeTask", {"id": ids[1]}, headers={"X-Session-Id": "bob"}))[0] == 404
    assert (await asked(client, "/prospective/completeTask", {"id": ids[1]}))[0] == 200
    assert [row["text"] for row in (await asked(client, "/prospective/listTasks"))[1]["results"]] == ["first"]
    assert (await asked(client, "/prospective/completeTask", {"id": ids[1]}))[0] == 404


async def test_tools_are_discovered_in_three_details(client: Client) -> None:
    """Each is larger than the one before, and names operations that are served."""
    sizes = []
    for detail in ("name", "description", "schema"):
        status, found = await asked(client, f"/meta/listTools?detail={detail}")
        assert (status, found["detail"]) == (200, detail)
        served = {route.resource.canonical for route in application(client.app[DATABASE]).router.routes() if route.resource}
        assert {f"/{tool['name']}" for tool in found["tools"]} <= served
        sizes.append(len(json.dumps(found)))
    assert sizes == sorted(set(sizes))
    assert (await asked(client, "/meta/listTools?detail=all"))[0] == 400


async def test_metrics_tell_memory_and_what_was_served(client: Client) -> None:
    """As Prometheus reads them: the process's resident memory, and a counter for each operation."""
    await asked(client, "/episodic/getRecent")
    async with client.get("/metrics") as answer:
        text = await answer.text()
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert gauge(text, "process_resident_memory_bytes") > 10 << 20
    assert 'memory_server_operations_total{operation="episodic/getRecent"} 1.0' in text
