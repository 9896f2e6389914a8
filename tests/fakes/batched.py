"""An upstream of items that can be asked for one by one or many at once, and callers of it whose reads are all under way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from slipstream_api.config import Batch, CacheRule, Match, Partition
from tests.fakes.proxied import Caller, Proxied, cache_rule, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream

BATCH = Batch(item="id", path="/items", max_wait_ms=10_000)
BY_SESSION = Partition(type="Header", headers=("X-Session-Id",))
Answering = Callable[[Connection, bytes, list[str], bytes], None]


def batched(**changes: Any) -> CacheRule:
    match = Match(protocol="HTTP", methods=("GET",), path_kind="Template", path="/items/{id}")
    return cache_rule(**{"match": match, "batch": BATCH, **changes})


def as_list(connection: Connection, head: bytes, ids: list[str], body: bytes) -> None:
    """A list in the order asked for, each with who asked."""
    session = head.split(b"X-Session-Id: ")[-1].split(b"\r\n")[0].decode() if b"X-Session-Id" in head else ""
    answer = json.dumps([None if one == "none" else {"id": one, "for": session} for one in ids]).encode()
    connection.answer(answer, b"Content-Type: application/json\r\n")


class Items:
    """An upstream of items, which answers a batch as it is told to; `gate` holds back the reads of single ones."""

    def __init__(self, answering: Answering = as_list) -> None:
        self.answering = answering
        self.singles: list[str] = []
        self.batches: list[list[str]] = []
        self.heads: list[bytes] = []
        self.refused = ""  # a single one that is forbidden
        self.gate = asyncio.Event()
        self.batch_gate = asyncio.Event()
        self.batch_gate.set()

    async def __call__(self, connection: Connection) -> None:
        while True:
            head, body = await connection.request()
            target = head.split(b" ")[1].decode()
            self.heads.append(head)
            if target.startswith("/items/"):
                self.singles.append(target[7:])
                await self.gate.wait()
                session = head.split(b"X-Session-Id: ")[-1].split(b"\r\n")[0].decode() if b"X-Session-Id" in head else ""
                if target[7:] == self.refused:
                    connection.answer(b"no", status=b"403 Forbidden")
                    continue
                missing = target.endswith(("none", "bad"))
                connection.answer(
                    b"no such item" if missing else json.dumps({"id": target[7:], "for": session}).encode(),
                    status=b"404 Not Found" if missing else b"200 OK",
                )
            elif target.startswith("/items"):
                ids = json.loads(body)["ids"] if body else target.partition("ids=")[2].split(",")
                self.batches.append(ids)
                await self.batch_gate.wait()
                self.answering(connection, head, ids, body)
            else:
                connection.answer(b"done")


@asynccontextmanager
async def serving(items: Items, *rules: CacheRule, **settings: Any) -> AsyncIterator[Proxied]:
    async with RawUpstream(items) as up, proxied(up.port, cache=rules or (batched(),), **settings) as proxy:
        yield proxy


async def asking(proxy: Proxied, *ids: str, extra: bytes = b"") -> list[Caller]:
    """A caller each, all of whose reads are under way."""
    callers = []
    for one in ids:
        caller = await proxy.caller()
        under_way = len(proxy.service.state.tracker)
        caller.get(b"/items/" + one.encode(), extra)
        await until(lambda: len(proxy.service.state.tracker) > under_way)  # noqa: B023 - it is awaited here
        callers.append(caller)
    return callers


async def bodies(callers: list[Caller]) -> list[Any]:
    return [json.loads((await caller.answer()).body) for caller in callers]


def counters(proxy: Proxied) -> tuple[int, int, int]:
    found = proxy.service.cache.counters("p")
    return found.misses, found.batches, found.batched
