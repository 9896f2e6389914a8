"""Commands on the pools in force: what an invalidation ends, and what it leaves."""

from __future__ import annotations

import pytest

from slipstream_runtime.control.commands import Command
from slipstream_runtime.control.perform import perform
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import cache_rule, proxied
from tests.fakes.raw_upstream import RawUpstream

RULES = (
    cache_rule("/a", name="a", policy="one", store="s", tags=("t",)),
    cache_rule("/b", name="b", policy="one", store="s", tags=("t",)),
    cache_rule("/c", name="c", policy="two", store="s", tags=()),
)


@on_uvloop
@pytest.mark.parametrize(
    ("selector", "matched", "dead"),
    [
        ({}, 1, {b"/a", b"/b", b"/c"}),
        ({"pool": "m"}, 1, {b"/a", b"/b", b"/c"}),
        ({"pool": "other"}, 0, set()),
        ({"policy": "one"}, 1, {b"/a", b"/b"}),
        ({"policy": "three"}, 0, set()),
        ({"rule": "b"}, 1, {b"/b"}),
        ({"policy": "two", "rule": "b"}, 0, set()),
        ({"tags": ("t",)}, 1, {b"/a", b"/b"}),
        ({"tags": ("unknown",)}, 0, set()),
    ],
)
async def test_an_invalidation_ends_what_it_names(selector: dict[str, object], matched: int, dead: set[bytes]) -> None:
    """And says whether it met anything."""
    async with RawUpstream() as up, proxied(up.port, cache=RULES) as proxy:
        caller = await proxy.caller()
        for path in (b"/a", b"/b", b"/c"):
            await caller.ask(path)
        result = perform(Command(op="Invalidate", **selector), {"m": proxy.service}, 0.0)  # type: ignore[arg-type]  # of the table
        assert result.matched == matched
        found = {path: (await caller.ask(path)).fields[b"cache-status"] for path in (b"/a", b"/b", b"/c")}
        assert {path for path, status in found.items() if b"; hit" not in status} == dead
