"""What a write ends by patterns of paths."""

from __future__ import annotations

from slipstream_api.config import Invalidation, Match
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import cache_rule, proxied
from tests.fakes.raw_upstream import RawUpstream


@on_uvloop
async def test_a_write_ends_the_paths_that_its_own_names() -> None:
    """Of the same item, whatever their query; those of another item stay."""
    match = Match(protocol="HTTP", methods=("PUT",), path_kind="Template", path="/items/{id}")
    ends = Invalidation(name="i", policy="p", match=match, paths=("/items/{id}/history",))
    history = cache_rule(match=Match(protocol="HTTP", methods=("GET",), path_kind="Template", path="/items/{id}/history"))
    async with RawUpstream() as up, proxied(up.port, cache=(history,), invalidations=(ends,)) as proxy:
        caller = await proxy.caller()
        paths = (b"/items/7/history", b"/items/7/history?page=2", b"/items/8/history")
        for path in paths:
            await caller.ask(path)
        caller.send(b"PUT /items/7 HTTP/1.1\r\nHost: up\r\nContent-Length: 1\r\n\r\nx")
        await caller.answer()
        assert [b"hit" in (await caller.ask(path)).fields[b"cache-status"] for path in paths] == [False, False, True]
