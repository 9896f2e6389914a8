"""Routing: which rules a request falls under, under what name, and what it invalidates."""

from __future__ import annotations

import pytest

from slipstream_api import config
from slipstream_runtime.cores.generations import EVERYTHING
from slipstream_runtime.cores.plan import PoolCache
from slipstream_runtime.cores.route import MAX_REMEMBERED, Operation, Router, is_normal
from tests.fakes.cores import SECRET, Dice, a_breaker_rule, a_cache_rule, a_match, a_pool, an_invalidation


def a_router(pool: config.Pool) -> Router:
    return Router(pool, PoolCache(SECRET, Dice()))


def cached_by(router: Router, path: str, method: bytes = b"GET") -> str | None:
    plan = router.route(method, path).cache
    return plan.name if plan is not None else None


def tags_of(router: Router, operation: Operation) -> set[str]:
    return {tag for tag, scope in router.plans[0].cache.generations._tags.items() if scope in operation.invalidates}


LAYERED = a_pool(
    a_cache_rule("exact", match=a_match(exact="/a/b")),
    a_cache_rule("template", match=a_match(template="/a/{x}")),
    a_cache_rule("deep", match=a_match(template="/a/{x}/c")),
    a_cache_rule("prefix", match=a_match(prefix="/a")),
)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/a/b", "exact"),
        ("/a/z", "template"),
        ("/a/z/c", "deep"),
        ("/a", "prefix"),
        ("/a/", "prefix"),
        ("/a/z/d", "prefix"),
        ("/ab", None),
        ("/", None),
    ],
)
def test_the_most_specific_rule_takes_a_path(path: str, rule: str | None) -> None:
    """Exact, then template, then prefix by whole segments; a template's segment is never empty."""
    assert cached_by(a_router(LAYERED), path) == rule


def test_a_rule_for_another_method_lets_the_next_one_take_it() -> None:
    """The exact rule is about POST, so a GET falls under the prefix."""
    pool = a_pool(breaker_rules=(a_breaker_rule("posts", match=a_match("POST", exact="/a")), a_breaker_rule("all", match=a_match(""))))
    router = a_router(pool)
    assert router.route(b"POST", "/a").breaker is pool.breaker_rules[0]
    assert router.route(b"GET", "/a").breaker is pool.breaker_rules[1]


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"get", b"head"])
def test_only_get_is_cached(method: bytes) -> None:
    """Even where the rule takes every method."""
    assert cached_by(a_router(a_pool(a_cache_rule(match=a_match("", prefix="/")))), "/a", method) is None


def test_rules_of_other_protocols_never_match_http() -> None:
    """A tool named by an MCP rule isn't a path."""
    rule = a_breaker_rule("mcp", match=config.Match(protocol="MCP", tools=("x",)))
    assert a_router(a_pool(breaker_rules=(rule,))).route(b"GET", "/x").breaker is None


@pytest.mark.parametrize(
    "path",
    [
        "/a//b",
        "//a",
        "/a/./b",
        "/a/../b",
        "/a/..",
        "/a%2fb",
        "/a%2Fb",
        "/%61",
        "/a%7Eb",
        "/a%2e%2e/b",
        "/a;x=1/b",
        "/a\\b",
        "/a%5Cb",
        "/%zz",
        "/%4",
        "a",
        "*",
    ],
)
def test_a_path_that_is_not_in_normal_form_is_recognised(path: str) -> None:
    """It might name a resource under another spelling."""
    assert not is_normal(path)


@pytest.mark.parametrize("path", ["/", "/a", "/a/", "/a.b/c..d/.e", "/caf%C3%A9", "/a%20b", "/a:b@c,d=e+f", "/%40x", "/%2B"])
def test_a_path_in_normal_form_is_recognised(path: str) -> None:
    """Negative control: ordinary paths aren't suspected."""
    assert is_normal(path)


def test_a_path_not_in_normal_form_is_not_cached_and_invalidates_everything_as_a_write() -> None:
    """Otherwise `/recall/../remember` would write past the invalidation."""
    router = a_router(a_pool(a_cache_rule(match=a_match(prefix="/")), invalidations=(an_invalidation(),)))
    assert cached_by(router, "/a/../recall") is None
    assert router.route(b"GET", "/a/../recall").invalidates == ()
    assert router.route(b"POST", "/x/../remember").invalidates == (EVERYTHING,)
    assert router.route(b"POST", "/x/../remember").writes


def test_a_get_that_an_invalidation_could_be_about_is_a_write_in_odd_spelling_too() -> None:
    """The invalidation takes GETs, so an odd GET may be one."""
    pool = a_pool(a_cache_rule(), invalidations=(an_invalidation(match=a_match("GET", exact="/forget")),))
    assert a_router(pool).route(b"GET", "//forget").invalidates == (EVERYTHING,)


@pytest.mark.parametrize("path", ["/remember", "/Remember", "/REMEMBER/", "/remember/"])
@pytest.mark.parametrize("method", [b"POST", b"post"])
def test_case_and_a_slash_at_the_end_do_not_dodge_an_invalidation(path: str, method: bytes) -> None:
    """Many servers ignore both."""
    router = a_router(a_pool(a_cache_rule(), invalidations=(an_invalidation(),)))
    assert tags_of(router, router.route(method, path)) == {"events"}


def test_all_matching_invalidations_count() -> None:
    """Tags are joined over rules, unlike cache and breaker rules, of which one counts."""
    rules = (an_invalidation("one", a_match("POST", exact="/w"), ("a", "b")), an_invalidation("two", a_match("", prefix="/"), ("b", "c")))
    router = a_router(a_pool(a_cache_rule(), invalidations=rules))
    assert tags_of(router, router.route(b"POST", "/w")) == {"a", "b", "c"}
    assert tags_of(router, router.route(b"GET", "/r")) == {"b", "c"}


def test_an_unsafe_method_is_a_write_without_any_invalidation() -> None:
    """RFC 9111 §4.4: it invalidates its own URI."""
    router = a_router(a_pool(a_cache_rule(tags=())))
    assert router.route(b"DELETE", "/recall").writes
    assert router.route(b"BREW", "/recall").writes
    assert not router.route(b"GET", "/recall").writes
    assert not router.route(b"HEAD", "/recall").writes


def test_without_cache_rules_nothing_is_a_write() -> None:
    """Nothing is stored, so nothing need be invalidated."""
    assert not a_router(a_pool()).route(b"POST", "/x").writes


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        (b"GET", "/a/b", "GET /a/b"),
        (b"GET", "/a/secret-token", "GET /a/{x}"),
        (b"GET", "/a/x/y/z", "GET /a/*"),
        (b"GET", "/elsewhere/1", "GET *"),
        (b"MADE-UP", "/elsewhere", "OTHER *"),
    ],
)
def test_the_name_is_of_the_rule_never_of_the_request(method: bytes, path: str, name: str) -> None:
    """Names are labels of metrics and keys of circuits."""
    assert a_router(LAYERED).route(method, path).name == name


def test_trap_36_names_and_memory_are_bounded_whatever_the_requests() -> None:
    """A flood of methods and paths makes neither operations nor memory grow."""
    router = a_router(LAYERED)
    names = {router.route(b"M%d" % (n % 500), f"/a/{n}/{n}").name for n in range(MAX_REMEMBERED * 2)}
    assert names == {"OTHER *"}
    assert len(router._operations) == 1
    assert sum(map(len, router._remembered.values())) <= MAX_REMEMBERED
    router.route(b"GET", "/" + "x" * 10_000)
    assert all(len(path) < 1_000 for paths in router._remembered.values() for path in paths)


def test_operations_are_shared_and_remembered() -> None:
    """The same rules give the same object, so that what is kept per operation is small."""
    router = a_router(LAYERED)
    assert router.route(b"GET", "/a/1") is router.route(b"GET", "/a/2")
    assert router.route(b"GET", "/a/1") is not router.route(b"GET", "/a/b")


def test_a_circuit_is_named_by_rule_or_by_operation() -> None:
    """Scope says which."""
    router = a_router(
        a_pool(
            breaker_rules=(a_breaker_rule(scope="Operation", match=a_match("", prefix="/v1")), a_breaker_rule("rest", match=a_match("")))
        )
    )
    assert router.route(b"GET", "/v1/x").circuit == ("default", "GET /v1/*")
    assert router.route(b"GET", "/v2").circuit == ("rest", "")
    assert a_router(a_pool()).route(b"GET", "/").circuit is None
