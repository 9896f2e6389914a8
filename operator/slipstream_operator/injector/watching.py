"""Keeps a PoolIndex as the API server has it: list, then watch, then again. Decides nothing about pools.

A pod that is created right after its pool should know it, so there is no cache with an age: a change arrives within milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import aiohttp

from slipstream_api.clock import Clock
from slipstream_operator.errors import OperatorError, Temporary
from slipstream_operator.injector.pools import PoolIndex
from slipstream_operator.kube.api import JSON, PAGE, ApiKube
from slipstream_operator.kube.kinds import Kind
from slipstream_operator.kube.mapping import error_of

log = logging.getLogger(__name__)

WATCH_SECONDS: Final = 60  # then the server ends the watch and a new one begins: a dead connection can't go unnoticed for long
SILENCE: Final = 75.0  # more than that without a byte is a dead connection
FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 30.0
Event = dict[str, Any]


class Source(Protocol):
    """One collection of the API server. Raises only OperatorError."""

    async def list(self) -> tuple[list[dict[str, Any]], str]:
        """Every object, and the version from which to watch."""
        ...

    def watch(self, version: str) -> AsyncIterator[Event]:
        """Events {type, object} since that version; ends after a while."""
        ...


class ApiSource(ApiKube):
    """A collection of one kind, in one namespace or in all."""

    kind: Kind
    scope: str | None

    @classmethod
    def of(cls, kube: ApiKube, kind: Kind, scope: str | None) -> ApiSource:
        """Shares the client, and so the connections, of `kube`, which stays the one to close."""
        source = cls(kube._client)
        source.kind, source.scope = kind, scope
        return source

    async def list(self) -> tuple[list[dict[str, Any]], str]:  # type: ignore[override]  # a Source's list is of its own collection
        items: list[dict[str, Any]] = []
        query = {"limit": str(PAGE)}
        while True:
            page = await self._call("GET", self.kind.path(self.scope), query)
            items += page.get("items") or []
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return items, str(metadata.get("resourceVersion", ""))
            query["continue"] = metadata["continue"]

    async def watch(self, version: str) -> AsyncIterator[Event]:
        query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_SECONDS)}
        path = self.kind.path(self.scope)
        headers = {"Accept": JSON, "User-Agent": "slipstream-injector"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=SILENCE)
        try:
            await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
            url = f"{self._client.configuration.host}{path}?{urlencode(query)}"
            answer = await self._client.call_api("GET", url, header_params=headers, _request_timeout=timeout)
            try:
                if answer.status >= 400:
                    raise error_of(answer.status, "WATCH", path, await answer.response.read())
                async for line in answer.response.content:
                    if line.strip():
                        yield json.loads(line)
            finally:
                answer.response.close()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Temporary(f"the watch of {path} broke: {error!r}") from error


async def follow(source: Source, index: PoolIndex, scope: str | None, synced: Callable[[], None], clock: Clock) -> None:
    """Runs until cancelled. `synced` is called after every full list."""
    delay = FIRST_DELAY
    while True:
        try:
            objects, version = await source.list()
            index.replace(objects, scope)
            synced()
            delay = FIRST_DELAY
            await _watch(source, index, version, clock)
        except OperatorError as error:
            log.warning("pools are as they were %s: %s", "in all namespaces" if scope is None else f"in {scope}", error)
        await asyncio.sleep(delay)
        delay = min(delay * 2, LONGEST_DELAY)


async def _watch(source: Source, index: PoolIndex, version: str, clock: Clock) -> None:
    """Returns when only a new list helps."""
    while True:
        begin = clock.now()
        async with aclosing(source.watch(version)) as events:  # type: ignore[type-var]  # Source.watch is an async generator
            async for event in events:
                kind, thing = event.get("type"), event.get("object") or {}
                if kind == "ERROR":
                    return  # mostly 410: the version is too old
                if kind in ("ADDED", "MODIFIED"):
                    index.put(thing)
                elif kind == "DELETED":
                    index.drop(thing)
                version = (thing.get("metadata") or {}).get("resourceVersion", version)
        if clock.now() - begin < FIRST_DELAY:
            await asyncio.sleep(FIRST_DELAY)  # a server that ends watches at once must not be asked without a pause
