"""What is known of a pod's sidecar after each thing it says, and how it stands towards a revision."""

from __future__ import annotations

import pytest

from slipstream_api.sidecar import CircuitState, PoolStatus, Refusal, Rejection, SidecarStatus
from slipstream_operator.delivery.standing import TRANSIENT, PodState, Wanted

WANTED = Wanted("new", 8)


def said(revision: str = "old", **more: object) -> SidecarStatus:
    return SidecarStatus(version="1", revision=revision, sequence=7, source="File", **more)  # type: ignore[arg-type]  # by name


def test_a_pod_that_never_answered_is_pending() -> None:
    """Also if it is to have nothing: unknown is not empty."""
    assert PodState().standing(WANTED) == "Pending"
    assert PodState().standing(Wanted("")) == "Pending"


def test_an_acknowledgement_is_one_until_something_else_is_wanted() -> None:
    """It names the revision."""
    state = PodState().acknowledged("new", 8)
    assert state.standing(WANTED) == "Acknowledged"
    assert state.via == "Push"
    assert state.standing(Wanted("newer", 9)) == "Pending"


def test_what_status_says_is_the_truth() -> None:
    """After a restart of the operator, and of the pod, which has nothing then."""
    state = PodState().reported(said("new"))
    assert (state.standing(WANTED), state.via, state.sequence) == ("Acknowledged", "File", 7)
    assert state.reported(SidecarStatus(version="1")).standing(WANTED) == "Pending"


def test_a_refusal_stands_until_another_revision_is_wanted() -> None:
    """Pushing the same again would be refused again; the words are kept."""
    state = PodState().reported(said()).refused(WANTED, Refusal(reason="Invalid", message="$.pools: bad"))
    assert state.standing(WANTED) == "Rejected"
    assert state.message == "$.pools: bad"
    assert state.revision == "old"
    assert state.reported(said()).standing(WANTED) == "Rejected"
    assert state.standing(Wanted("newer", 9)) == "Pending"


@pytest.mark.parametrize("reason", sorted(TRANSIENT))
def test_refusals_about_the_envelope_are_no_rejection(reason: str) -> None:
    """They say nothing about the configuration, and pass."""
    state = PodState().reported(said()).refused(WANTED, Refusal(reason=reason, message="..."))
    assert state.standing(WANTED) == "Pending"
    assert state.reason == reason


def test_a_rejection_from_the_volume_is_told_by_status() -> None:
    """Nobody pushed it."""
    state = PodState().reported(said(rejected=Rejection(reason="Invalid", message="bad", revision="new")))
    assert state.standing(WANTED) == "Rejected"


def test_unreachable_since_the_first_failure_until_an_answer() -> None:
    """What was acknowledged before still is."""
    state = PodState().reported(said()).unreachable("timeout", 5.0).unreachable("refused", 9.0)
    assert (state.standing(WANTED), state.unreachable_since) == ("Unreachable", 5.0)
    answered = state.reported(said())
    assert (answered.standing(WANTED), answered.message, answered.unreachable_since) == ("Pending", "", None)
    assert PodState().acknowledged("new", 8).unreachable("timeout", 5.0).standing(WANTED) == "Acknowledged"


def test_a_sidecar_of_other_schemas_is_unsupported() -> None:
    """It isn't pushed to."""
    assert PodState().reported(said(schema_versions=(2,))).standing(WANTED) == "Unsupported"


def test_an_idle_pod_says_the_same_each_time() -> None:
    """How long a circuit has been in its state is no news."""
    first, second = (said(pools=(PoolStatus(name="m", circuits=(CircuitState(policy="b", rule="r", since_ms=ms),)),)) for ms in (1, 9))
    assert PodState().reported(first) == PodState().reported(first).reported(second)
