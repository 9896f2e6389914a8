"""The memory service over HTTP: paths, checks of what is asked, answers that say who asked what. No SQL here."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client import Counter as Total

from memory_server import store, tools
from memory_server.database import Database


@dataclass(frozen=True)
class Served:
    """How often each operation was served by this process."""

    count: Counter[str] = field(default_factory=Counter)


SESSION: Final = "X-Session-Id"
DATABASE: Final = web.AppKey("database", Database)
SERVED: Final = web.AppKey("served", Served)
LARGEST: Final = 10_000  # rows of one answer
LONGEST_SESSION: Final = 200  # characters of a session's name
LARGEST_ID: Final = 2**63 - 1  # of SQLite

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Asked(Exception):  # noqa: N818 - an answer, not a malfunction
    """What is asked can't be understood; the message says what to change."""


def application(database: Database) -> web.Application:
    """The service on an open database."""
    app = web.Application(middlewares=[answer_errors])
    app[DATABASE] = database
    app[SERVED] = Served()
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/stats", stats),
            web.get("/metrics", metrics),
            web.get("/episodic/recall", recall),
            web.get("/episodic/getRecent", get_recent),
            web.get("/episodic/listEvents", list_events),
            web.post("/episodic/remember", remember),
            web.post("/episodic/forget", forget),
            web.get("/semantic/search", search),
            web.get("/semantic/list", list_facts),
            web.post("/semantic/store", learn),
            web.post("/semantic/update", update),
            web.get("/prospective/listTasks", list_tasks),
            web.post("/prospective/createTask", create_task),
            web.post("/prospective/completeTask", complete_task),
            web.get("/meta/listTools", list_tools),
        ]
    )
    return app


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Counts what is served, and turns what can't be done into 400 and 404 with the reason."""
    route = request.match_info.route.resource
    if route is not None:  # a path that nobody serves isn't counted: there is no end of those
        request.app[SERVED].count[route.canonical.lstrip("/")] += 1
    try:
        return await handler(request)
    except Asked as error:
        return web.json_response({"error": str(error)}, status=400)
    except store.NotFound as error:
        return web.json_response({"error": str(error)}, status=404)


async def healthz(request: web.Request) -> web.Response:
    return web.json_response({"ok": True})


async def stats(request: web.Request) -> web.Response:
    """How often each operation was served by this process: what a cache in front has answered isn't in it."""
    return web.json_response({"operations": dict(request.app[SERVED].count)})


async def metrics(request: web.Request) -> web.Response:
    """In the Prometheus text format: memory and CPU of this process, and what it has served."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    served = Total("memory_server_operations", "Operations served by this process.", ["operation"], registry=registry)
    for operation, count in request.app[SERVED].count.items():
        served.labels(operation).inc(count)
    return web.Response(body=generate_latest(registry), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


async def recall(request: web.Request) -> web.Response:
    who, query, limit = session(request), text_of(request, "q"), number(request, "limit", 10)
    return answer(who, query, await request.app[DATABASE].read(lambda c: store.recall(c, who, query, limit)))


async def get_recent(request: web.Request) -> web.Response:
    who, limit = session(request), number(request, "limit", 10)
    return answer(who, f"limit={limit}", await request.app[DATABASE].read(lambda c: store.recent(c, who, limit)))


async def list_events(request: web.Request) -> web.Response:
    who, limit, offset = session(request), number(request, "limit", 50), number(request, "offset", 0)
    return answer(who, f"limit={limit} offset={offset}", await request.app[DATABASE].read(lambda c: store.events(c, who, limit, offset)))


async def remember(request: web.Request) -> web.Response:
    who, body = session(request), await json_of(request)
    text = required(body, "text", str)
    stored = await request.app[DATABASE].write(lambda c: store.remember(c, who, text, time.time()))
    return answer(who, "remember", [stored], 201)


async def forget(request: web.Request) -> web.Response:
    who, body = session(request), await json_of(request)
    event = required(body, "id", int)
    return answer(who, "forget", [await request.app[DATABASE].write(lambda c: store.forget(c, who, event))])


async def search(request: web.Request) -> web.Response:
    who, query, limit = session(request), text_of(request, "q"), number(request, "limit", 10)
    return answer(who, query, await request.app[DATABASE].read(lambda c: store.search(c, who, query, limit)))


async def list_facts(request: web.Request) -> web.Response:
    who, limit, offset = session(request), number(request, "limit", 50), number(request, "offset", 0)
    return answer(who, f"limit={limit} offset={offset}", await request.app[DATABASE].read(lambda c: store.facts(c, who, limit, offset)))


async def learn(request: web.Request) -> web.Response:
    who, body = session(request), await json_of(request)
    topic, text = required(body, "topic", str), required(body, "text", str)
    stored = await request.app[DATABASE].write(lambda c: store.learn(c, who, topic, text, time.time()))
    return answer(who, "store", [stored], 201)


async def update(request: web.Request) -> web.Response:
    who, body = session(request), await json_of(request)
    fact, text = required(body, "id", int), required(body, "text", str)
    return answer(who, "update", [await request.app[DATABASE].write(lambda c: store.update(c, who, fact, text, time.time()))])


async def list_tasks(request: web.Request) -> web.Response:
    who, limit = session(request), number(request, "limit", 10)
    return answer(who, f"limit={limit}", await request.app[DATABASE].read(lambda c: store.tasks(c, who, limit)))


async def create_task(request: web.Request) -> web.Response:
    who, body = session(request), await json_of(request)
    text = required(body, "text", str)
    return answer(who, "createTask", [await request.app[DATABASE].write(lambda c: store.create_task(c, who, text, time.time()))], 201)


async def complete_task(request: web.Request) -> web.Response:
    who, body = session(request), await json_of(request)
    task = required(body, "id", int)
    return answer(who, "completeTask", [await request.app[DATABASE].write(lambda c: store.complete_task(c, who, task, time.time()))])


async def list_tools(request: web.Request) -> web.Response:
    """What this service can do, in one of three details; the same for everybody."""
    detail = request.query.get("detail", "name")
    if detail not in tools.DETAILS:
        raise Asked(f"detail is one of {', '.join(tools.DETAILS)}, not {detail!r}")
    return web.json_response({"detail": detail, "tools": tools.listed(detail)})


def answer(who: str, query: str, results: list[store.Row], status: int = 200) -> web.Response:
    """Every answer carries who asked and what was asked, so that a foreign one can be told."""
    return web.json_response({"session": who, "query": query, "results": results}, status=status)


def session(request: web.Request) -> str:
    """Whose memory it is."""
    who = request.headers.get(SESSION, "").strip()
    if not who:
        raise Asked(f"send the header {SESSION}: memories belong to a session")
    if len(who) > LONGEST_SESSION:
        raise Asked(f"{SESSION} has at most {LONGEST_SESSION} characters, not {len(who)}")
    return writable(SESSION, who)


def text_of(request: web.Request, name: str) -> str:
    text = request.query.get(name, "").strip()
    if not text:
        raise Asked(f"say what to look for, like {request.path}?{name}=thread")
    return writable(name, text)


def number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and int(text) <= LARGEST):
        raise Asked(f"{name} is a whole number up to {LARGEST}, not {text!r}")
    return int(text)


async def json_of(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Asked("send a JSON object as body")
    return body


def required(body: dict[str, Any], name: str, type_: type[T]) -> T:
    value = body.get(name)
    if not isinstance(value, type_) or isinstance(value, bool) or value == "":
        raise Asked(f"{name!r} is missing in the body, or isn't of type {type_.__name__}")
    if isinstance(value, str):
        writable(name, value)
    if isinstance(value, int) and not 0 < value <= LARGEST_ID:
        raise Asked(f"{name!r} is a number that an earlier answer gave, not {value}")
    return value


def writable(name: str, text: str) -> str:
    """`text`, if UTF-8 can say it; JSON and header fields can carry halves of characters, which SQLite can't store."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Asked(f"{name!r} has characters that UTF-8 can't say") from None
    return text
