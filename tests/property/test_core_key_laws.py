"""Laws of the cache key: two requests share it exactly when nothing that separates them differs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slipstream_api import config
from slipstream_runtime.cores.directives import Directives, delta_seconds, http_date
from slipstream_runtime.cores.fields import PlainField, split_list
from slipstream_runtime.cores.identity import ALWAYS_KEYED, FLAGS
from slipstream_runtime.cores.route import fold, is_normal
from tests.fakes.cores import Cached, a_cache_rule

PLAN = Cached(a_cache_rule(partition=config.Partition(type="PerCaller"), key=config.CacheKey(headers=("Accept-Language",)))).plan
SEPARATING = (b"authorization", b"cookie", b"mcp-session-id", b"accept-language", b"x-api-key", *ALWAYS_KEYED)

# Few and short, so that neighbours such as ("a", "bc") and ("ab", "c") do meet.
values = st.text(alphabet="ab,; =", max_size=3).map(str.encode)
separating = st.tuples(st.sampled_from(SEPARATING), values)
ignored = st.tuples(st.sampled_from((b"traceparent", b"x-request-id", b"user-agent")), values)
requests = st.tuples(st.text(alphabet="ab/?&=", max_size=4).map(lambda text: b"/" + text.encode()), st.lists(separating, max_size=4))


def key_of(target: bytes, named: list[tuple[bytes, bytes]]) -> bytes:
    """The key under a caller that is always the same, so that none is refused for want of identity."""
    fields = [PlainField(b"cookie", b"caller"), *(PlainField(name, value) for name, value in named)]
    return PLAN.reader.read(b"GET", target, fields).key


def meaning(target: bytes, named: list[tuple[bytes, bytes]]) -> tuple[bytes, frozenset[tuple[bytes, tuple[bytes, ...]]]]:
    """What a request is, independently of how the key is computed: the target, and by name its values in order."""
    by_name: dict[bytes, tuple[bytes, ...]] = {b"cookie": (b"caller",)}
    for name, value in named:
        by_name[name] = (*by_name.get(name, ()), value)
    return target, frozenset(by_name.items())


@given(requests, requests)
def test_trap_01_requests_share_a_key_exactly_when_they_mean_the_same(one: tuple[bytes, list], other: tuple[bytes, list]) -> None:
    """Pairs that differ in one field, in where a value ends, in absent against empty."""
    assert (key_of(*one) == key_of(*other)) == (meaning(*one) == meaning(*other))


@given(requests, st.lists(st.tuples(ignored, st.integers(0, 4)), max_size=3))
def test_what_does_not_separate_does_not_matter(request: tuple[bytes, list], noise: list) -> None:
    """Whatever else is there, and wherever it stands."""
    target, named = request
    mixed = list(named)
    for line, at in noise:
        mixed.insert(at, line)
    assert key_of(target, mixed) == key_of(target, named)


@given(st.sampled_from(SEPARATING), st.sampled_from(SEPARATING), st.binary(max_size=4), st.binary(max_size=4), st.binary(max_size=2))
def test_trap_01_two_lines_are_never_taken_for_one(one: bytes, other: bytes, value: bytes, rest: bytes, glue: bytes) -> None:
    """Even where a value holds what the encoding itself writes between two lines: the number of a name, a length."""
    number = (PLAN.interest.by_name[other] >> FLAGS).to_bytes(2, "big")
    separate = key_of(b"/", [(one, value), (other, rest)])
    for between in (b"", b",", b":", glue, number, number + len(rest).to_bytes(4, "big"), b"%d:" % len(rest)):
        assert key_of(b"/", [(one, value + between + rest)]) != separate
        assert key_of(b"/", [(one, value + between), (other, rest)]) != separate or not between


@given(st.lists(separating, max_size=4), st.integers(0, 3))
def test_one_more_separating_line_is_another_request(named: list[tuple[bytes, bytes]], at: int) -> None:
    """Repeating a line counts too."""
    more = list(named)
    more.insert(at, named[0] if named else (b"accept", b""))
    assert key_of(b"/", more) != key_of(b"/", named)


@given(st.binary(max_size=40))
def test_header_parsers_take_any_octets(value: bytes) -> None:
    """What an upstream sends never raises, and a number is never negative or beyond its bound."""
    split_list(value)
    http_date(value)
    assert 0 <= delta_seconds(value) <= 1 << 31
    for name in Directives([PlainField(b"cache-control", value)]).names:
        assert isinstance(name, bytes)


@given(st.lists(st.text(alphabet='ab"\\ ', min_size=1, max_size=4).filter(lambda text: text.count('"') == 0), max_size=4))
def test_a_list_without_quotes_splits_at_commas(pieces: list[str]) -> None:
    """And with quotes, a comma inside them doesn't split."""
    expected = [piece.strip().encode() for piece in pieces if piece.strip()]
    assert split_list(",".join(pieces).encode()) == expected
    quoted = b'"' + b",".join(b"x" for _ in pieces) + b'"'
    assert split_list(quoted) == [quoted]


@given(st.text(alphabet="aA/.%2eEfF;", max_size=8))
def test_a_normal_path_has_no_other_spelling(text: str) -> None:
    """Whatever a server may decode or collapse leaves it as it is; folding twice is folding once."""
    from posixpath import normpath
    from urllib.parse import unquote

    path = "/" + text
    if is_normal(path):
        assert normpath(path) == path.rstrip("/") or path == "/"
        assert unquote(path).count("/") == path.count("/")
    assert fold(fold(path)) == fold(path)
