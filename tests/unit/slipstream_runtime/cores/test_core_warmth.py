"""Warmth: what is fetched ahead, when, and within which budget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slipstream_runtime.cores.warmth import AHEAD, LOOK_AGAIN, Warmth


def test_each_target_has_its_time() -> None:
    """At once; again when the last tenth of its life begins; a missing one in a moment; one that no rule takes never."""
    warmth = Warmth(3, 5, 100.0)
    assert warmth.due(100.0) == [0, 1, 2]
    assert warmth.there(0, 100.0, 160.0, 100.0)
    warmth.missing(1, 100.0)
    warmth.never(2)
    assert warmth.due(100.0 + LOOK_AGAIN) == [1]
    assert warmth.due(160.0 - 60 * AHEAD) == [0, 1]
    assert not warmth.there(0, 100.0, 160.0, 155.0)


@given(st.integers(1, 20), st.lists(st.floats(0.0, 3.0), max_size=200))
def test_trap_44_the_budget_holds_over_any_time(per_second: int, steps: list[float]) -> None:
    """Never more calls than the budget of the time that passed, and of one second saved up before."""
    warmth, now, made = Warmth(1, per_second, 0.0), 0.0, 0
    for step in steps:
        now += step
        while warmth.affords(now):
            warmth.spend()
            made += 1
        assert made <= per_second * (now + 1.0) + 1e-6
