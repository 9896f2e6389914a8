"""Keys and partitions: what separates two requests, and what sends one past the cache."""

from __future__ import annotations

import pytest

from slipstream_api import config
from slipstream_runtime.cores.fields import PlainField
from slipstream_runtime.cores.identity import ALWAYS_KEYED
from slipstream_runtime.cores.key import NO_LIMIT, UNBOUNDED, CacheRequest
from tests.fakes.cores import Cached, a_cache_rule, lines

PER_CALLER = config.Partition(type="PerCaller")
SHARED = config.Partition(type="Shared")
BY_SESSION = config.Partition(type="Header", headers=("X-Session-Id",))


def read(
    fields: list[PlainField], partition: config.Partition = BY_SESSION, target: str = "/recall", has_body: bool = False, **rule: object
) -> CacheRequest:
    plan = Cached(a_cache_rule(partition=partition, **rule)).plan
    return plan.reader.read(b"GET", target.encode(), fields, has_body)


@pytest.mark.parametrize("partition", [PER_CALLER, BY_SESSION])
def test_a_request_without_identity_goes_past_the_cache(partition: config.Partition) -> None:
    """No partition, no store; an empty value is no identity either."""
    assert read(lines(accept="*/*"), partition).bypass == "no-identity"
    assert read(lines(x_session_id="", authorization=""), partition).bypass == "no-identity"


def test_a_shared_rule_needs_no_identity() -> None:
    """Negative control of the above."""
    assert read([], SHARED).bypass == ""


@pytest.mark.parametrize("name", ["authorization", "cookie", "mcp_session_id"])
def test_any_of_the_three_is_an_identity_per_caller(name: str) -> None:
    """PerCaller: Authorization, Cookie, MCP session."""
    one, other = read(lines(**{name: "a"}), PER_CALLER), read(lines(**{name: "b"}), PER_CALLER)
    assert one.bypass == other.bypass == ""
    assert one.key != other.key
    assert one.partition != other.partition


def test_further_credentials_separate_callers_too_but_are_no_identity_alone() -> None:
    """Two API keys behind one cookie don't share."""
    assert read(lines(x_api_key="a"), PER_CALLER).bypass == "no-identity"
    assert read(lines(cookie="c", x_api_key="a"), PER_CALLER).key != read(lines(cookie="c", x_api_key="b"), PER_CALLER).key


def test_trap_03_token_rotation_keeps_the_partition_only_where_the_policy_names_another_identity() -> None:
    """PerCaller: a new token is a new caller. By session header: the token isn't the identity."""
    old, new = lines(authorization="t1", x_session_id="s"), lines(authorization="t2", x_session_id="s")
    assert read(old, PER_CALLER).key != read(new, PER_CALLER).key
    assert read(old).key == read(new).key
    assert read(old).credential


def test_a_request_with_a_credential_never_shares_with_one_without() -> None:
    """Where the credential isn't part of the key (RFC 9111 §3.5)."""
    plan = Cached(a_cache_rule(partition=SHARED)).plan
    with_token, without = plan.reader.read(b"GET", b"/", lines(authorization="t")), plan.reader.read(b"GET", b"/", [])
    assert with_token.key != without.key
    assert (with_token.credential, without.credential) == (True, False)


def test_trap_01_lines_repeated_absent_and_empty_differ() -> None:
    """`a`, `a` twice, `a,a`, empty and absent are five requests."""
    plan = Cached(a_cache_rule(key=config.CacheKey(headers=("Accept-Language",)))).plan
    variants = [lines(accept_language=value) for value in ("a", "a,a", "", ["a", "a"], ["a", ""], ["", "a"])] + [[]]
    keys = {plan.reader.read(b"GET", b"/r", lines(x_session_id="s") + fields).key for fields in variants}
    assert len(keys) == len(variants)


def test_the_order_of_different_lines_does_not_matter_that_of_repeated_ones_does() -> None:
    """Same request, same key, whatever the client's habit."""
    plan = Cached(a_cache_rule()).plan
    one = lines(host="h", accept="a", x_session_id="s")
    assert plan.reader.read(b"GET", b"/", one).key == plan.reader.read(b"GET", b"/", one[::-1]).key
    assert (
        plan.reader.read(b"GET", b"/", lines(x_session_id=["a", "b"])).key
        != plan.reader.read(b"GET", b"/", lines(x_session_id=["b", "a"])).key
    )


def test_query_is_part_of_the_key_unless_the_rule_says_none() -> None:
    """All: as it came, order and repetitions included."""
    targets = ["/r", "/r?", "/r?a=1&b=2", "/r?b=2&a=1", "/r?a=1&a=1"]
    plan = Cached(a_cache_rule()).plan
    assert len({plan.reader.read(b"GET", target.encode(), lines(x_session_id="s")).key for target in targets}) == len(targets)
    plan = Cached(a_cache_rule(key=config.CacheKey(query="None"))).plan
    assert len({plan.reader.read(b"GET", target.encode(), lines(x_session_id="s")).key for target in targets}) == 1


@pytest.mark.parametrize("name", [name.decode() for name in ALWAYS_KEYED])
def test_trap_05_what_changes_answers_unseen_is_always_part_of_the_key(name: str) -> None:
    """Cache poisoning by an input that no rule names."""
    plan = Cached(a_cache_rule()).plan
    plain, poisoned = lines(x_session_id="s"), [*lines(x_session_id="s"), PlainField(name.encode(), b"evil")]
    assert plan.reader.read(b"GET", b"/", plain).key != plan.reader.read(b"GET", b"/", poisoned).key


def test_what_changes_with_every_request_is_not_part_of_the_key() -> None:
    """Negative control: a trace id must not make every request a miss."""
    plan = Cached(a_cache_rule()).plan
    keys = {plan.reader.read(b"GET", b"/", lines(x_session_id="s", traceparent=str(n), x_request_id=str(n))).key for n in range(3)}
    assert len(keys) == 1


@pytest.mark.parametrize("name", ["if_none_match", "if_modified_since"])
def test_a_condition_that_a_stored_answer_can_answer_is_no_part_of_the_key(name: str) -> None:
    """RFC 9111 §4.3.2: it asks for the same answer, or for less of it."""
    plain, conditional = read(lines(x_session_id="s")), read(lines(x_session_id="s", **{name: "x"}))
    assert (conditional.bypass, conditional.conditional, plain.conditional) == ("", True, False)
    assert conditional.key == plain.key


@pytest.mark.parametrize(("value", "seconds"), [("", -1), ("max-stale", 1 << 31), ("max-stale=5", 5), ("max-stale=soon", 0)])
def test_what_a_request_takes_after_its_time(value: str, seconds: int) -> None:
    """RFC 9111 §5.2.1.2: without an argument, however old; what can't be read is no permission."""
    assert read(lines(x_session_id="s", cache_control=value)).bounds.max_stale == seconds


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("if_match", "conditional"),
        ("if_unmodified_since", "conditional"),
        ("range", "range"),
        ("x_http_method_override", "method-override"),
    ],
)
def test_what_the_upstream_must_answer_goes_past_the_cache(name: str, why: str) -> None:
    """Preconditions, ranges, disguised methods."""
    assert read(lines(x_session_id="s", **{name: "x"})).bypass == why


def test_a_get_with_a_body_goes_past_the_cache() -> None:
    """The body isn't part of the key."""
    assert read(lines(x_session_id="s"), has_body=True).bypass == "body"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("no-cache", (True, -1, 0, False)),
        ("NO-CACHE", (True, -1, 0, False)),
        ("max-age=0", (True, 0, 0, False)),
        ("max-age=10, min-fresh=5", (False, 10, 5, False)),
        ("max-age=junk", (True, 0, 0, False)),
        ("only-if-cached", (False, -1, 0, True)),
        ("max-stale", (False, -1, 0, False)),
    ],
)
def test_the_callers_own_cache_control_is_honoured(value: str, expected: tuple[bool, int, int, bool]) -> None:
    """RFC 9111 §5.2.1; max-stale is allowed to be ignored."""
    request = read(lines(x_session_id="s", cache_control=value))
    assert (request.refresh, request.bounds.max_age, request.bounds.min_fresh, request.only_if_cached) == expected


def test_no_store_goes_past_the_cache_and_pragma_counts_only_alone() -> None:
    """RFC 9111 §5.4."""
    assert read(lines(x_session_id="s", cache_control=["max-age=5", "no-store"])).bypass == "no-store"
    assert read(lines(x_session_id="s", pragma="no-cache")).refresh
    assert not read(lines(x_session_id="s", pragma="other", user_agent="no-cache")).refresh
    assert not read(lines(x_session_id="s", pragma="no-cache", cache_control="max-age=5")).refresh


def test_an_ordinary_request_asks_for_nothing_special() -> None:
    """Negative control of all of the above."""
    request = read(lines(x_session_id="s", user_agent="x"))
    assert (request.bypass, request.credential, request.refresh, request.only_if_cached) == ("", False, False, False)
    assert request.bounds is UNBOUNDED
    assert (UNBOUNDED.max_age, UNBOUNDED.min_fresh, UNBOUNDED.max_stale) == (NO_LIMIT, 0, NO_LIMIT)


def test_what_makes_answers_interchangeable_is_part_of_the_key_lives_are_not() -> None:
    """A reload that only changes a TTL keeps entries; one that changes the partition can't."""
    fields = lines(x_session_id="s")

    def key(**rule: object) -> bytes:
        return read(fields, rule.pop("partition", BY_SESSION), **rule).key  # type: ignore[arg-type]  # a Partition where given

    base = key()
    assert key(ttl_ms=5) == key(mode="Shadow") == key(stale_if_error_ms=9) == base
    changed = [
        key(partition=SHARED),
        key(key=config.CacheKey(headers=("a",))),
        key(tags=("x",)),
        key(upstream_directives="Ignore"),
        key(policy="b"),
        key(name="b"),
    ]
    assert len({base, *changed}) == len(changed) + 1


def test_the_key_cannot_be_computed_without_the_secret() -> None:
    """Nobody outside can search for a collision."""
    from slipstream_runtime.cores.plan import PoolCache

    one, other = Cached(), Cached(cache=PoolCache(b"x" * 32, lambda: 0.0))
    assert one.key() != other.key()
    assert one.key() == Cached().key()


def test_a_partition_is_the_same_in_any_order_of_its_lines() -> None:
    """Otherwise invalidating it would miss what was stored under the other order."""
    one, other = (read(fields, PER_CALLER) for fields in (lines(cookie="c", authorization="a"), lines(authorization="a", cookie="c")))
    assert (one.key, one.partition) == (other.key, other.partition)
