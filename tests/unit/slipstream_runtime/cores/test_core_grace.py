"""Grace: how long after its time an answer is of use, by policy and by what the upstream says."""

from __future__ import annotations

import pytest

from slipstream_runtime.cores.directives import directives_of
from slipstream_runtime.cores.grace import KEEP, MOST, Grace, GraceRule
from tests.fakes.cores import a_cache_rule, lines


def granted(said: str, validator: bool = False, **rule: object) -> Grace:
    return GraceRule(a_cache_rule(**rule)).granted(directives_of(lines(cache_control=said)), validator)


def seconds(grace: Grace) -> tuple[float, float, float, float]:
    return grace.revalidate, grace.error, grace.open, grace.keep


@pytest.mark.parametrize(
    ("rule", "said", "expected"),
    [
        ({}, "", (0, 0, 0, 0)),
        ({}, "stale-while-revalidate=30, stale-if-error=60", (30, 60, 60, 0)),
        ({}, "stale-while-revalidate=9999999999", (MOST, 0, 0, 0)),
        ({}, "stale-while-revalidate, stale-if-error=soon", (0, 0, 0, 0)),
        ({"stale_while_revalidate_ms": 10_000}, "", (10, 0, 0, 0)),
        ({"stale_while_revalidate_ms": 10_000}, "stale-while-revalidate=30", (10, 0, 0, 0)),
        ({"stale_while_revalidate_ms": 10_000}, "stale-while-revalidate=3", (3, 0, 0, 0)),
        ({"stale_while_revalidate_ms": 0, "stale_if_error_ms": 0}, "stale-while-revalidate=3, stale-if-error=3", (0, 0, 0, 0)),
        ({"stale_if_error_ms": 5_000}, "", (0, 5, 5, 0)),
        ({"stale_if_error_ms": 5_000, "stale_while_open_ms": 60_000}, "", (0, 5, 60, 0)),
        ({"stale_if_error_ms": 5_000, "stale_while_open_ms": 1_000}, "", (0, 5, 5, 0)),
        ({"stale_if_error_ms": 5_000, "stale_while_open_ms": 60_000}, "stale-if-error=20", (0, 5, 20, 0)),
    ],
)
def test_the_policy_bounds_what_the_upstream_grants(rule: dict[str, object], said: str, expected: tuple[float, ...]) -> None:
    """Either can only shorten the other; unset leaves it to the upstream, within a day."""
    assert seconds(granted(said, **rule)) == expected
    assert granted(said, **rule).retention == max(expected)


@pytest.mark.parametrize("said", ["must-revalidate", "proxy-revalidate", "s-maxage=5", "must-revalidate, stale-while-revalidate=60"])
def test_what_must_be_revalidated_is_never_stale(said: str) -> None:
    """RFC 9111 §4.2.4; with a validator it is kept, to be asked about."""
    rule = {"stale_while_revalidate_ms": 60_000, "stale_if_error_ms": 60_000}
    assert (seconds(granted(said, **rule)), granted(said, **rule).strict) == ((0, 0, 0, 0), True)
    assert seconds(granted(said, validator=True, **rule)) == (0, 0, 0, KEEP)


def test_an_answer_of_an_earlier_rule_is_shortened() -> None:
    """And what its upstream had forbidden stays so."""
    rule = GraceRule(a_cache_rule(stale_if_error_ms=5_000, stale_while_revalidate_ms=5_000))
    assert seconds(Grace(60, 60, 60, KEEP).shortened(rule.bounds)) == (5, 5, 5, KEEP)
    assert Grace(0, 0, 0, KEEP, True).shortened(rule.bounds).strict
    assert seconds(Grace(60, 70, 80, 0).shortened(GraceRule(a_cache_rule()).bounds)) == (60, 70, 80, 0)
    assert seconds(Grace(60, 70, 80, 0).shortened(GraceRule(a_cache_rule(upstream_directives="Ignore")).bounds)) == (0, 0, 0, 0)
