"""Which step of a fallback chain answers."""

from __future__ import annotations

from typing import get_args

import pytest

from slipstream_api.config import Fallback
from slipstream_runtime.cores.fallback import STALE, STATUS, Cause, choose, retry_after

STALE_STEP = Fallback(type="StaleCache")
STATIC = Fallback(type="Static", status=503, body="{}", retry_after_ms=5_000)
FAST = Fallback(type="FailFast", status=503)
CAUSES: tuple[Cause, ...] = get_args(Cause)


@pytest.mark.parametrize("cause", CAUSES)
def test_the_first_applicable_step_answers(cause: Cause) -> None:
    """Stale where there is something stale; an answer that the upstream gave is replaced by nothing else."""
    rest = None if cause == "UpstreamStatus" else STATIC
    assert choose((STALE_STEP, STATIC), cause, True) is STALE_STEP
    assert choose((STALE_STEP, STATIC), cause, False) is rest
    assert choose((STATIC, STALE_STEP), cause, True) is (STALE_STEP if cause == "UpstreamStatus" else STATIC)
    assert choose((FAST, STATIC), cause, False) is (None if cause == "UpstreamStatus" else FAST)


@pytest.mark.parametrize("cause", CAUSES)
def test_a_chain_without_a_stale_step_serves_nothing_stale(cause: Cause) -> None:
    """A chain says all; without one, stale-if-error of the cache rule speaks for itself."""
    assert choose((STATIC,), cause, True) is not STALE_STEP
    assert choose((), cause, True) is STALE
    assert choose((), cause, False) is None


def test_every_cause_but_an_answer_has_a_status() -> None:
    """For callers without any step."""
    assert set(STATUS) == set(CAUSES) - {"UpstreamStatus"}


@pytest.mark.parametrize(
    ("step", "cause", "open_for", "seconds"),
    [
        (STATIC, "CircuitOpen", 60.0, 5),
        (STATIC, "Timeout", 0.0, 5),
        (Fallback(type="Static", retry_after_ms=1), "Timeout", 0.0, 1),
        (FAST, "CircuitOpen", 59.2, 60),
        (None, "CircuitOpen", 0.1, 1),
        (None, "CircuitOpen", 0.0, 0),
        (None, "Timeout", 60.0, 0),
    ],
)
def test_retry_after_is_the_steps_or_the_circuits(step: Fallback | None, cause: Cause, open_for: float, seconds: int) -> None:
    """Whole seconds, rounded up; none where nothing is known."""
    assert retry_after(step, cause, open_for) == seconds


OTHER = Fallback(type="Upstream", pool="other")


@pytest.mark.parametrize("cause", CAUSES)
def test_another_upstream_answers_in_its_turn(cause: Cause) -> None:
    """For an upstream's bad answer too; only where the request may go there."""
    assert choose((OTHER, STATIC), cause, False) is OTHER
    assert choose((STALE_STEP, OTHER), cause, True) is STALE_STEP
    assert choose((STALE_STEP, OTHER), cause, False) is OTHER
    assert choose((OTHER, STALE_STEP), cause, True) is OTHER
    assert choose((OTHER, STALE_STEP), cause, True, elsewhere=False) is STALE_STEP
    assert choose((OTHER, STATIC), cause, False, elsewhere=False) is (None if cause == "UpstreamStatus" else STATIC)


BY_CAUSE = (
    Fallback(type="StaleCache", causes=("CircuitOpen",)),
    Fallback(type="Upstream", pool="other", causes=("Connect", "UpstreamStatus")),
    Fallback(type="Static", status=503, causes=("Overload", "UpstreamStatus")),
)


@pytest.mark.parametrize(
    ("cause", "taken"),
    [("CircuitOpen", 0), ("Connect", 1), ("UpstreamStatus", 1), ("Overload", 2), ("Timeout", None), ("Reset", None)],
)
def test_a_step_with_causes_is_for_those_alone(cause: Cause, taken: int | None) -> None:
    """For a cause that no step names there is none, whatever is at hand; a text never hides an upstream's answer, though it is named."""
    assert choose(BY_CAUSE, cause, True) is (None if taken is None else BY_CAUSE[taken])
    assert choose(BY_CAUSE[2:], "UpstreamStatus", False) is None


@pytest.mark.parametrize("cause", CAUSES)
def test_the_next_step_for_the_same_cause_has_its_turn(cause: Cause) -> None:
    """Where nothing is at hand; naming all of them is naming none."""
    chain = (Fallback(type="StaleCache", causes=CAUSES), Fallback(type="Upstream", pool="other", causes=(cause,)), STATIC)
    assert choose(chain, cause, True) is chain[0]
    assert choose(chain, cause, False) is chain[1]
    assert choose(chain, cause, False, elsewhere=False) is (None if cause == "UpstreamStatus" else STATIC)
