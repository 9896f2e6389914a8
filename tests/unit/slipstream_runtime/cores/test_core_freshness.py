"""Freshness: which answers may be stored, and for how long."""

from __future__ import annotations

import pytest

from slipstream_api import config
from slipstream_runtime.cores.directives import delta_seconds, directives_of, http_date
from slipstream_runtime.cores.fields import PlainField, split_list
from slipstream_runtime.cores.freshness import Storing, judge
from tests.fakes.cores import Cached, a_cache_rule, lines

BY_SESSION = config.Partition(type="Header", headers=("X-Session-Id",))
PER_CALLER = config.Partition(type="PerCaller")
SHARED = config.Partition(type="Shared")
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
NOW = 100.0


def judged(
    answer: dict[str, object], request: dict[str, object] | None = None, status: int = 200, delay: float = 0.0, **rule: object
) -> Storing:
    cached = Cached(a_cache_rule(**rule))
    asked = cached.plan.reader.read(b"GET", b"/recall", lines(**(request or {"x_session_id": "s"})))  # type: ignore[arg-type]  # strings
    return judge(cached.plan, asked, status, lines(**answer), NOW, delay)  # type: ignore[arg-type]  # strings


def test_an_answer_without_directives_lives_as_long_as_the_rule_says() -> None:
    """The policy is the heuristic."""
    storing = judged({})
    assert (storing.detail, storing.ttl, storing.age) == ("", 60.0, 0.0)


@pytest.mark.parametrize("status", [201, 203, 204, 206, 301, 304, 404, 500, 503])
@pytest.mark.parametrize("directives", ["Honor", "Ignore"])
def test_trap_15_only_a_plain_200_is_stored(status: int, directives: str) -> None:
    """Partial answers, 304 without an entry and errors never are."""
    assert judged({"cache_control": "max-age=60"}, status=status, upstream_directives=directives).detail == "status"
    assert judged({"content_range": "bytes 0-1/2"}, upstream_directives=directives).detail == "content-range"


@pytest.mark.parametrize("partition", [SHARED, BY_SESSION, PER_CALLER])
@pytest.mark.parametrize("directives", ["Honor", "Ignore"])
def test_trap_03_an_answer_that_sets_a_cookie_or_varies_by_everything_is_never_stored(partition: config.Partition, directives: str) -> None:
    """Whatever the partition and the directives."""
    request: dict[str, object] = {"x_session_id": "s", "authorization": "t"}
    for answer, why in (({"set_cookie": "a=b"}, "set-cookie"), ({"vary": "*"}, "vary"), ({"vary": "accept, *"}, "vary")):
        assert (
            judged({"cache_control": "public, max-age=60", **answer}, request, partition=partition, upstream_directives=directives).detail
            == why
        )


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no-store", "no-store"),
        ("NO-STORE", "no-store"),
        ("public, no-store, max-age=60", "no-store"),
        ("no-cache", "no-cache"),
        ('no-cache="set-cookie"', "no-cache"),
        ("max-age=0", "expired"),
        ("max-age=junk", "expired"),
        ("max-age", "expired"),
        ("max-age=-1", "expired"),
        ("max-age=60, max-age=0", "expired"),
        ("must-understand, no-store", "no-store"),
    ],
)
def test_the_upstream_may_forbid_storing(value: str, why: str) -> None:
    """And what it garbles counts as forbidden."""
    assert judged({"cache_control": value}).detail == why


ETAG: dict[str, object] = {"etag": '"a"'}


@pytest.mark.parametrize(
    ("value", "revalidate", "error", "strict"),
    [
        ("no-cache", 0, 0, True),
        ('no-cache="set-cookie"', 0, 0, True),
        ("no-cache, max-age=60", 0, 0, True),
        ("no-cache, stale-while-revalidate=5, stale-if-error=5", 0, 0, True),
        ("max-age=0", 0, 0, True),
        ("max-age=0, must-revalidate", 0, 0, True),
        ("max-age=junk", 0, 0, True),
        ("s-maxage=0, max-age=60, stale-while-revalidate=5", 0, 0, True),
        ("max-age=0, stale-while-revalidate=5", 5, 0, False),
        ("max-age=0, stale-if-error=500", 0, 30, False),  # the rule's own is the most
        ("max-age=0, stale-if-error=5, must-revalidate", 0, 0, True),
    ],
)
def test_an_answer_to_be_confirmed_before_each_use_is_kept_with_a_validator(value: str, revalidate: int, error: int, strict: bool) -> None:
    """It has no life and no grace but what it grants itself (RFC 5861), whatever the rule grants; without a validator it isn't kept."""
    rule = {"stale_while_revalidate_ms": 20_000, "stale_if_error_ms": 30_000, "stale_while_open_ms": 30_000}
    for validator in (ETAG, {"last_modified": DATE}):
        storing = judged({"cache_control": value, **validator}, **rule)
        assert (storing.detail, storing.confirm, storing.ttl) == ("", True, 0.0)
        grace = storing.grace
        assert (grace.revalidate, grace.error, grace.open, grace.strict) == (revalidate, error, error, strict)
        assert grace.keep > 0
    assert judged({"cache_control": value}, **rule).detail in ("no-cache", "expired")
    assert not judged({"cache_control": "max-age=1", **ETAG}, **rule).confirm


def test_an_answer_whose_time_was_over_when_it_came_is_kept_to_be_confirmed() -> None:
    """Its own grace counts from its end."""
    assert judged({"cache_control": "max-age=60", "age": "100", **ETAG}).ttl == 0.0
    storing = judged({"cache_control": "max-age=60, stale-while-revalidate=50", "age": "100", **ETAG})
    assert (storing.confirm, storing.ttl, storing.grace.revalidate) == (True, -40.0, 50.0)
    assert judged({"expires": "0", "date": DATE, **ETAG}).confirm


def test_trap_03_an_answer_to_be_confirmed_is_kept_only_where_the_partition_holds_every_identity() -> None:
    """Nor is an error, a `no-store` or somebody's own answer."""
    request: dict[str, object] = {"x_session_id": "s", "authorization": "t"}
    for value, why in (("no-cache", "no-cache"), ("max-age=0, must-revalidate", "expired"), ("public, max-age=0", "expired")):
        answer: dict[str, object] = {"cache_control": value, **ETAG}
        assert judged(answer, request, partition=BY_SESSION).detail == why
        assert judged(answer, request, partition=PER_CALLER).confirm
        assert judged(answer, status=404, negative_ttl_ms=5_000).detail == why
        assert judged({**answer, "cache_control": f"{value}, no-store"}).detail == "no-store"
        assert judged({**answer, "cache_control": f"{value}, private"}, {}, partition=SHARED).detail == "private"
        assert judged({**answer, "set_cookie": "a=b"}).detail == "set-cookie"


@pytest.mark.parametrize(
    ("value", "ttl"), [("max-age=10", 10.0), ("max-age=600", 60.0), ('max-age="10"', 10.0), ("s-maxage=5, max-age=10", 5.0)]
)
def test_the_upstream_may_shorten_a_life_never_lengthen_it(value: str, ttl: float) -> None:
    """The rule's TTL is the most."""
    assert judged({"cache_control": value}).ttl == ttl


def test_directives_are_remembered_within_bounds() -> None:
    """A line seen before is read once; a flood of other lines costs reading, never memory, and changes nothing of what a line says."""
    field = PlainField(b"cache-control", b"max-age=7, private")
    assert directives_of([field]) is directives_of([PlainField(b"Cache-Control", field.value)])
    remembered = directives_of([field])
    for number in range(300):
        assert directives_of([PlainField(b"cache-control", b"max-age=%d" % number)]).seconds(b"max-age") == number
    again = directives_of([field])
    assert again is not remembered  # it made room
    assert (again.names, again.seconds(b"max-age")) == (remembered.names, 7)
    long = PlainField(b"cache-control", b"max-age=7, x-" + b"y" * 200)
    assert directives_of([long]) is not directives_of([long])


def test_s_maxage_counts_before_max_age_only_in_a_shared_cache() -> None:
    """RFC 9111 §5.2.2.10; one caller's own cache takes the smaller."""
    answer: dict[str, object] = {"cache_control": "max-age=1, s-maxage=30"}
    assert judged(answer, {}, partition=SHARED).ttl == 30.0
    assert judged(answer).ttl == 1.0


def test_age_and_the_time_on_the_way_shorten_a_life() -> None:
    """RFC 9111 §4.2.3; the largest Age counts."""
    storing = judged({"cache_control": "max-age=30", "age": ["4", "junk", "10"]}, delay=2.0)
    assert (storing.ttl, storing.age) == (18.0, 12.0)
    assert judged({"cache_control": "max-age=30", "age": "30"}).detail == "expired"


def test_expires_counts_from_date_not_from_any_clock() -> None:
    """Without a Date, or with a garbled one, it is taken as expired."""
    later = "Sun, 06 Nov 1994 08:49:57 GMT"
    assert judged({"expires": later, "date": DATE}).ttl == 20.0
    assert judged({"expires": later, "date": DATE, "cache_control": "max-age=7"}).ttl == 7.0
    for answer in ({"expires": later}, {"expires": "0", "date": DATE}, {"expires": DATE, "date": DATE}, {"expires": later, "date": "now"}):
        assert judged(dict(answer)).detail == "expired"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (DATE, 784111777),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 29 Feb 2024 23:59:60 GMT", 1709251200),
        ("Sunday, 06-Nov-94 08:49:37 GMT", None),
        ("Sun Nov  6 08:49:37 1994", None),
        ("Sun, 06 Nov 1994 08:49:37 UTC", None),
        ("Sun, 06 Nov 1994 25:49:37 GMT", None),
        ("Sun, 06 Foo 1994 08:49:37 GMT", None),
        ("", None),
    ],
)
def test_a_date_is_read_in_its_one_form(text: str, seconds: int | None) -> None:
    """IMF-fixdate; the obsolete forms count as invalid."""
    assert http_date(text.encode()) == seconds


@pytest.mark.parametrize(("text", "seconds"), [("5", 5), ("0", 0), ("9" * 30, 1 << 31), ("1.5", 0), ("-1", 0), ("", 0), ("5s", 0)])
def test_trap_21_hostile_numbers_are_bounded(text: str, seconds: int) -> None:
    """2^63, negatives, fractions."""
    assert delta_seconds(text.encode()) == seconds


def test_private_is_kept_only_in_one_callers_own_cache() -> None:
    """The partition holds every identity that the request showed, so the entry is that caller's alone."""
    private: dict[str, object] = {"cache_control": "private, max-age=60"}
    assert judged(private).detail == ""
    assert judged(private, {"authorization": "t"}, partition=PER_CALLER).detail == ""
    assert judged(private, {}, partition=SHARED).detail == "private"
    assert judged(private, {"x_session_id": "s", "authorization": "t"}).detail == "private"


@pytest.mark.parametrize("partition", [SHARED, BY_SESSION])
@pytest.mark.parametrize("credential", ["authorization", "cookie", "x_api_key"])
def test_trap_03_an_answer_to_a_credential_outside_the_partition_is_stored_only_when_declared_public(
    partition: config.Partition, credential: str
) -> None:
    """RFC 9111 §3.5, for every line that carries an identity."""
    request: dict[str, object] = {"x_session_id": "s", credential: "t"}
    assert judged({}, request, partition=partition).detail == "credential"
    assert judged({"cache_control": "max-age=60"}, request, partition=partition).detail == "credential"
    for declared in ("public", "s-maxage=60", "must-revalidate"):
        assert judged({"cache_control": declared}, request, partition=partition).detail == ""
    assert judged({}, request, partition=partition, upstream_directives="Ignore").detail == ""


@pytest.mark.parametrize(
    ("vary", "stored"),
    [("Accept", True), ("accept-encoding, HOST", True), ("X-Session-Id", True), ("Accept-Language", False), ("Origin", False), ("", True)],
)
def test_vary_is_accepted_where_the_key_covers_it(vary: str, stored: bool) -> None:
    """Every line it names must be part of the key or the partition."""
    assert (judged({"vary": vary}).detail == "") == stored
    assert judged({"vary": vary}, key=config.CacheKey(headers=("accept-language", "Origin"))).detail == ""


@pytest.mark.parametrize(
    ("value", "pieces"),
    [
        ("A, b,,c ", ["a", "b", "c"]),
        ('a="x,y", b', ['a="x,y"', "b"]),
        (r'a="x\",y", b', [r'a="x\",y"', "b"]),
        ('a="never closed, b', ['a="never closed, b']),
        ('"a","b"', ['"a"', '"b"']),
    ],
)
def test_a_list_splits_at_commas_outside_quotes(value: str, pieces: list[str]) -> None:
    """RFC 9110 §5.6.1; names are compared in lower case."""
    assert split_list(value.encode()) == [piece.encode() for piece in pieces]


def test_ignore_disregards_cache_control_but_not_what_an_answer_is() -> None:
    """Vary and Set-Cookie say what it is; see the other tests for those."""
    storing = judged({"cache_control": "no-store, private, max-age=0", "expires": "0", "age": "99"}, upstream_directives="Ignore")
    assert (storing.detail, storing.ttl) == ("", 60.0)
    assert judged({"vary": "origin"}, upstream_directives="Ignore").detail == "vary"


def test_stale_if_error_is_bounded_by_the_rule_and_forbidden_by_revalidation() -> None:
    """RFC 9111 §4.2.4, RFC 5861 §4."""
    rule = {"stale_if_error_ms": 30_000}
    assert judged({}, **rule).grace.error == 30.0
    assert judged({"cache_control": "stale-if-error=5"}, **rule).grace.error == 5.0
    assert judged({"cache_control": "stale-if-error=500"}, **rule).grace.error == 30.0
    for directive in ("must-revalidate", "proxy-revalidate", "s-maxage=60"):
        assert judged({"cache_control": directive}, **rule).grace.retention == 0.0


@pytest.mark.parametrize("status", [404, 410])
def test_not_found_is_stored_where_the_rule_says_so(status: int) -> None:
    """For a time of its own, and it stands in for nothing afterwards; no other error is stored."""
    rule = {"negative_ttl_ms": 5_000, "stale_if_error_ms": 30_000}
    assert judged({}, status=status, stale_if_error_ms=30_000).detail == "status"
    storing = judged({"etag": '"a"'}, status=status, **rule)
    assert (storing.detail, storing.ttl, storing.grace.retention) == ("", 5.0, 0.0)
    assert judged({"cache_control": "max-age=2"}, status=status, **rule).ttl == 2.0
    assert judged({"cache_control": "no-store"}, status=status, **rule).detail == "no-store"
    for other in (400, 401, 403, 429, 500, 503):
        assert judged({}, status=other, **rule).detail == "status"


def test_what_came_fast_is_not_worth_its_memory() -> None:
    """Under minLatency nothing is stored; at it, it is."""
    assert judged({}, delay=0.049, min_latency_ms=50).detail == "fast"
    assert judged({}, delay=0.05, min_latency_ms=50).detail == ""


def test_trap_19_jitter_is_bounded_and_only_shortens() -> None:
    """Neither the policy nor the upstream allowed more."""
    cached = Cached(a_cache_rule(ttl_jitter_percent=10))
    request = cached.plan.reader.read(b"GET", b"/", lines(x_session_id="s"))
    for value, ttl in ((0.0, 60.0), (0.5, 57.0), (1.0, 54.0)):
        cached.dice.value = value
        assert judge(cached.plan, request, 200, [], NOW).ttl == pytest.approx(ttl)


def test_a_request_that_goes_past_the_cache_stores_nothing() -> None:
    """Whatever the answer says."""
    assert judged({"cache_control": "public, max-age=60"}, {"x_session_id": "s", "range": "bytes=0-"}).detail == "range"
