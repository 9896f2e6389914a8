"""Arguments as keys, and what a decoration refuses."""

from __future__ import annotations

import enum
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstream_runtime.library import memoize
from slipstream_runtime.library.arguments import KEPT_BYTES, Unencodable, encode, key_of


class Colour(enum.Enum):
    RED = 1


class Shade(enum.Enum):
    RED = 1


class Name(str):
    __slots__ = ()


ALIKE: list[Any] = [
    None, False, True, 0, 1, 1.0, 0.0, -0.0, "", "1", "a", b"", b"1", b"a", (), (1,), ((1,),), (1, 1), ("a", "b"), ("ab", ""), ("ab",),
    frozenset(), frozenset({1}), Colour.RED, Shade.RED, uuid.UUID(int=1), "\ud800",
]  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=8,
)


def typed(value: Any) -> Any:
    """Equal only for equal values of equal types."""
    if isinstance(value, tuple):
        return ("tuple", *map(typed, value))
    return (type(value).__name__, repr(value))


def test_values_of_other_types_never_share_a_key() -> None:
    """1, True, 1.0 and "1" are four questions."""
    assert len({key_of(value) for value in ALIKE}) == len(ALIKE)


@given(values, values)
def test_keys_are_equal_exactly_where_values_are(one: Any, other: Any) -> None:
    """Injective, and the same each time."""
    assert (key_of(one) == key_of(other)) == (typed(one) == typed(other))


def test_the_order_of_a_set_is_no_part_of_its_key() -> None:
    assert key_of(frozenset(["a", "b", "c"])) == key_of(frozenset(["c", "b", "a"]))


def test_keys_are_short_and_large_integers_have_one() -> None:
    assert len(key_of("x" * 100_000)) <= KEPT_BYTES + 1
    assert key_of("x" * 100_000) != key_of("x" * 99_999)
    assert key_of(10**10_000) != key_of(10**10_000 + 1)


@pytest.mark.parametrize("value", [[1], {"a": 1}, {1}, object(), bytearray(b"a"), Name("a"), (1, [2]), lambda: 1])
def test_what_may_change_or_means_more_has_no_key(value: Any) -> None:
    with pytest.raises(Unencodable, match=type(value[1] if isinstance(value, tuple) else value).__name__):
        encode(value)


def test_an_argument_without_a_key_says_to_pass_one() -> None:
    @memoize(ttl=1, partition="shared")
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    with pytest.raises(TypeError, match=r"total.*type list.*pass key="):
        total([1])


def test_arguments_are_the_same_however_they_are_passed() -> None:
    """By position, by name, or by default."""
    calls = []

    @memoize(ttl=10, partition="shared")
    def add(a: int, b: int = 2, *more: int, c: int = 3, **rest: int) -> int:
        calls.append((a, b))
        return a + b

    assert {add(1), add(1, 2), add(a=1), add(b=2, a=1), add(1, c=3)} == {3}
    assert len(calls) == 1
    add(1, 2, 3)
    add(1, d=3)
    add(1, e=3)
    assert len(calls) == 4


def test_a_method_needs_a_key_and_binds() -> None:
    class Memory:
        @memoize(ttl=10, partition="shared", key=lambda self, query: query)
        def recall(self, query: str) -> str:
            return query * 2

    assert Memory().recall("a") == "aa"
    assert Memory.recall.stats().misses == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ttl": 1}, "partition=.*whose answer"),
        ({"ttl": 1, "partition": "user"}, "partition="),
        ({"ttl": 0, "partition": "shared"}, "ttl=0"),
        ({"ttl": float("nan"), "partition": "shared"}, "ttl=nan"),
        ({"ttl": 1, "partition": "shared", "stale_if_error": -1}, "stale_if_error=-1"),
        ({"ttl": 1, "partition": "shared", "max_bytes": 0}, "max_bytes=0"),
        ({"ttl": 1, "partition": "shared", "tags": "events"}, "sequence of tags"),
    ],
)
def test_a_decoration_refuses_what_it_cannot_mean(options: dict[str, Any], message: str) -> None:
    """At import, not at the first call."""
    with pytest.raises((TypeError, ValueError), match=message):
        memoize(**options)


def test_an_async_partition_and_generators_are_refused() -> None:
    async def who(_: object) -> str:
        return "a"

    def several() -> Any:
        yield 1

    async def streamed() -> Any:
        yield 1

    with pytest.raises(TypeError, match="plain function"):
        memoize(ttl=1, partition=who)
    for function in (several, streamed):
        with pytest.raises(TypeError, match="no generators"):
            memoize(ttl=1, partition="shared")(function)
