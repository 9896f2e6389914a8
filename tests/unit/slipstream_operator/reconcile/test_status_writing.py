"""When a status is written: at once for verdicts, each second for details, seldom for figures, never twice the same."""

from __future__ import annotations

from typing import Any

import pytest

from slipstream_operator.reconcile.writing import plan


def status(*, ready: str = "True", message: str = "ready", pods: str = "2/2", figure: str = "", generation: int = 1) -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "reason": "Ready", "message": message, "observedGeneration": generation}
    summary = {"pods": pods, **({"figure": figure} if figure else {})}
    return {"observedGeneration": generation, "conditions": [condition], "summary": summary, "targets": []}


def later(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "conditions": [{**c, "lastTransitionTime": "2026-02-02T00:00:00Z"} for c in found["conditions"]]}


def test_the_same_is_never_written() -> None:
    """Times follow from the rest, so they are no reason."""
    assert plan(later(status()), status(), None, 0.0, 30.0) is None


@pytest.mark.parametrize(
    "wanted", [status(ready="False"), status(generation=2), status(figure="Open 1/2")], ids=["verdict", "generation", "open"]
)
def test_what_somebody_waits_for_is_written_at_once(wanted: dict[str, Any]) -> None:
    """Also right after another write."""
    write = plan(status(), wanted, last_write=99.9, now=100.0, figures_interval=30.0)
    assert write is not None
    assert write.wait == 0.0


def test_a_closing_circuit_is_written_at_once_too() -> None:
    """As its opening was."""
    write = plan(status(figure="Open 1/2"), status(figure="Closed"), 99.9, 100.0, 30.0)
    assert write is not None
    assert write.wait == 0.0


@pytest.mark.parametrize("wanted", [status(pods="1/2"), status(message="other")], ids=["pods", "message"])
def test_details_are_written_at_most_each_second(wanted: dict[str, Any]) -> None:
    """A rollout of a hundred pods is not a hundred writes."""
    write = plan(status(), wanted, last_write=99.75, now=100.0, figures_interval=30.0)
    assert write is not None
    assert write.wait == pytest.approx(0.75)


def test_figures_are_written_at_most_every_interval() -> None:
    """Traffic changes them all the time."""
    write = plan(status(figure="10%"), status(figure="11%"), last_write=90.0, now=100.0, figures_interval=30.0)
    assert write is not None
    assert write.wait == pytest.approx(20.0)
    write = plan(status(figure="10%"), status(figure="11%"), last_write=70.0, now=100.0, figures_interval=30.0)
    assert write is not None
    assert write.wait == 0.0


def test_after_a_restart_a_write_waits_for_nothing() -> None:
    """No write of this process is known."""
    write = plan(status(figure="10%"), status(figure="11%"), last_write=None, now=0.0, figures_interval=30.0)
    assert write is not None
    assert write.wait == 0.0


def test_members_that_are_gone_are_deleted_by_the_patch() -> None:
    """A merge patch deletes with null only."""
    observed = {**status(figure="10%"), "foreign": 1}
    write = plan(observed, status(), None, 0.0, 30.0)
    assert write is not None
    assert write.patch["summary"] == {"pods": "2/2", "figure": None}
    assert write.patch["foreign"] is None
