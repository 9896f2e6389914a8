"""What a write ends by path and by rule: filled in from its own path, or every answer that could be meant."""

from __future__ import annotations

import pytest

from slipstream_api import config
from slipstream_runtime.cores.ends import PathFill, fills, touched
from slipstream_runtime.cores.generations import Snapshot, path_scope
from slipstream_runtime.cores.plan import PoolCache
from slipstream_runtime.cores.route import Router
from tests.fakes.cores import SECRET, Dice, a_cache_rule, a_match, a_pool, an_invalidation

ITEM = a_match("PUT", template="/items/{id}")


def ending(*paths: str, match: config.Match = ITEM, rules: tuple[str, ...] = ()) -> config.Invalidation:
    return config.Invalidation(name="i", policy="policy", match=match, rules=rules, paths=paths)


def named(invalidation: config.Invalidation, path: str) -> set[str]:
    """The paths that a write to `path` ends."""
    filled: list[PathFill] = fills(invalidation)[0]
    return {fill.of(path) for fill in filled}


def test_variables_have_the_values_of_the_write() -> None:
    """As they were sent; a slash at the end belongs to none of them."""
    invalidation = ending("/items/{id}", "/items/{id}/history", "/items", "/by-id/{id}/x")
    assert named(invalidation, "/items/Ab7") == {"/items/Ab7", "/items/Ab7/history", "/items", "/by-id/Ab7/x"}
    assert named(invalidation, "/items/Ab7/") == named(invalidation, "/items/Ab7")
    assert fills(invalidation)[1] == []


def test_a_variable_that_the_write_has_not_stands_for_anything() -> None:
    """Also where the write's match has none at all."""
    assert fills(ending("/items/{id}/{other}", "/items/{id}"))[1] == ["/items/{id}/{other}"]
    assert fills(ending("/items/{id}", match=a_match("POST", exact="/items")))[1] == ["/items/{id}"]


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (a_match(exact="/items/7/tags"), True),
        (a_match(exact="/items/7"), False),
        (a_match(exact="/other/7/tags"), False),
        (a_match(template="/items/{x}/tags"), True),
        (a_match(template="/{kind}/{x}/{y}"), True),
        (a_match(template="/items/{x}/notes"), False),
        (a_match(prefix="/items"), True),
        (a_match(prefix="/items/7/tags/"), True),
        (a_match(prefix="/items/7/tags/deep"), False),
        (a_match(prefix="/"), True),
        (a_match(), True),
        (config.Match(protocol="SQL"), False),
    ],
)
def test_a_wide_pattern_touches_each_rule_that_could_hold_such_a_path(match: config.Match, expected: bool) -> None:
    """More than needed, never less."""
    assert touched(["/items/{any}/tags"], match) is expected


class Writes:
    """A pool with rules, and what a write ends."""

    def __init__(self, *invalidations: config.Invalidation) -> None:
        self.cache = PoolCache(SECRET, Dice())
        rules = (
            a_cache_rule("item", match=a_match(template="/items/{id}")),
            a_cache_rule("history", match=a_match(template="/items/{id}/history")),
            a_cache_rule("list", match=a_match(exact="/items")),
        )
        self.pool = a_pool(*rules, invalidations=invalidations)
        self.router = Router(self.pool, self.cache)
        self.cache.commit(self.pool)

    def read(self, path: str) -> Snapshot:
        plan = self.router.route(b"GET", path).cache
        assert plan is not None
        return self.cache.generations.capture(plan.tags, 1, path_scope(path))

    def write(self, path: str, method: bytes = b"PUT") -> None:
        operation = self.router.route(method, path)
        assert operation.writes
        generations = self.cache.generations
        scopes = operation.invalidates + tuple(path_scope(fill.of(path)) for fill in operation.fills)
        generations.begin_write(scopes, path).end()


def ended(writes: Writes, *paths: str) -> set[str]:
    """Which of the paths have no live answer after a write to /items/7."""
    reads = {path: writes.read(path) for path in paths}
    writes.write("/items/7")
    return {path for path, read in reads.items() if not read.current()}


PATHS = ("/items/7", "/items/7/history", "/items/8/history", "/items/8", "/items")


@pytest.mark.parametrize(
    ("invalidation", "expected"),
    [
        (ending("/items/{id}/history"), {"/items/7", "/items/7/history"}),
        (ending("/items"), {"/items/7", "/items"}),
        (ending("/items/{any}/history"), {"/items/7", "/items/7/history", "/items/8/history"}),
        (ending(rules=("history",)), {"/items/7", "/items/7/history", "/items/8/history"}),
        (an_invalidation(match=ITEM, tags=("unrelated",)), {"/items/7"}),
    ],
    ids=["sibling", "collection", "wide", "rule", "own-path-only"],
)
def test_trap_11_a_write_ends_what_its_patterns_name_and_nothing_else(invalidation: config.Invalidation, expected: set[str]) -> None:
    """Its own path always; the last one is the control."""
    assert ended(Writes(invalidation), *PATHS) == expected


def test_trap_09_a_sibling_is_not_stored_while_the_write_is_under_way() -> None:
    """Read during the write, it is dead after it; read after it, it lives."""
    writes = Writes(ending("/items/{id}/history"))
    operation, generations = writes.router.route(b"PUT", "/items/7"), writes.cache.generations
    write = generations.begin_write(tuple(path_scope(fill.of("/items/7")) for fill in operation.fills), "/items/7")
    during = writes.read("/items/7/history")
    assert during.writing()
    assert not writes.read("/items/8/history").writing()
    write.end()
    assert not during.storable()
    assert writes.read("/items/7/history").storable()


def test_trap_11_a_million_paths_keep_nothing() -> None:
    """Generations have as many scopes after writes to any number of paths; operations are shared."""
    writes = Writes(ending("/items/{id}/history"))
    scopes = len(writes.cache.generations.last)
    first = writes.router.route(b"PUT", "/items/1")
    for number in range(10_000):
        assert writes.router.route(b"PUT", f"/items/{number}") is first
        writes.write(f"/items/{number}")
    assert len(writes.cache.generations.last) == scopes
    assert writes.cache.generations.writes == 0


def test_a_reload_that_changes_patterns_ends_what_was_stored_and_one_that_does_not_keeps_it() -> None:
    """Writes went unseen before; the same patterns again are no change."""
    writes = Writes(ending("/items/{id}/history"))
    read = writes.read("/items/7/history")
    writes.cache.commit(writes.pool)
    assert read.current()
    writes.cache.commit(a_pool(*writes.pool.cache_rules, invalidations=(ending("/items"),)))
    assert not read.current()
