"""Events tell what came to be, once; a restart tells nothing again."""

from __future__ import annotations

from typing import Any

import pytest

from slipstream_operator.reconcile.transitions import TABLE, happenings


def status(type_: str = "", value: str = "True", reason: str = "X", generation: int = 1, figure: str = "") -> dict[str, Any]:
    conditions = [{"type": type_, "status": value, "reason": reason, "message": "why", "observedGeneration": generation}] if type_ else []
    return {"conditions": conditions, "summary": {"figure": figure}}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[2]}")
def test_each_transition_of_the_table_is_an_event_once(row: tuple[str, str, str, str, str]) -> None:
    """From nothing and from another reason to it: an Event; from itself: none."""
    type_, value, reason, level, event = row
    after = status(type_, value, reason)
    for before in ({}, status(type_, "Unknown", "Pending"), status(type_, value, "Other")):
        assert [(h.type, h.reason, h.message) for h in happenings("CachePolicy", before, after)] == [(level, event, "why")]
    assert happenings("CachePolicy", after, after) == []


def test_every_event_of_the_design_is_there() -> None:
    """DriftCorrected comes from the workload's reconciler."""
    assert {row[4] for row in TABLE} >= {
        "PolicyAccepted", "PolicyConflicted", "TargetNotFound", "ConfigProgrammed", "ConfigRejected", "SidecarMissing",
    }  # fmt: skip


def test_a_new_generation_that_is_programmed_is_news() -> None:
    """An edit that every pod has, though the condition was True before."""
    before, after = status("Programmed", "True", "Programmed", 1), status("Programmed", "True", "Programmed", 2)
    assert [h.reason for h in happenings("CachePolicy", before, after)] == ["ConfigProgrammed"]


def test_a_circuit_opens_and_closes() -> None:
    """The figure tells; more open circuits than before are no new opening."""
    opened = happenings("CircuitBreaker", status(figure="Closed"), status(figure="Open 1/2"))
    assert [(h.type, h.reason) for h in opened] == [("Warning", "BreakerOpened")]
    assert happenings("CircuitBreaker", status(figure="Open 1/2"), status(figure="Open 2/2")) == []
    closed = happenings("CircuitBreaker", status(figure="Open 2/2"), status(figure="HalfOpen 1/2"))
    assert [(h.type, h.reason) for h in closed] == [("Normal", "BreakerClosed")]


def test_pods_that_are_gone_close_no_circuit() -> None:
    """Nothing is known of it any more."""
    assert happenings("CircuitBreaker", status(figure="Open 1/1"), status()) == []
