"""The levels' benchmark: the sample's own stages and bounds, shortened in proportion, and bars that can be missed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bench.shorten import shortened

LEVELS = Path(__file__).parents[3] / "manifests" / "samples" / "loadtests" / "levels.yaml"


def sample() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(LEVELS.read_text())
    return document


def test_stages_are_shortened_in_proportion_and_keep_their_users() -> None:
    """Ramp and settling too, to a second at least; nothing else changes."""
    before, after = sample()["spec"], shortened(sample(), 6, set())["spec"]
    assert [s["users"] for s in after["stages"]] == [s["users"] for s in before["stages"]] == [10, 100, 1000, 5000]
    assert {s["duration"] for s in after["stages"]} == {"6s"}
    assert [s.get("ramp") for s in after["stages"]] == [None, "1s", "1s", "6s"]
    assert after["scenarios"] == before["scenarios"]
    assert after["thresholds"] == before["thresholds"]


def test_a_choice_of_levels_keeps_their_bounds_and_those_of_all() -> None:
    """A bound on a stage that isn't there would never have data."""
    spec = shortened(sample(), 10, {"c10"})["spec"]
    assert [s["name"] for s in spec["stages"]] == ["c10"]
    assert [t["name"] for t in spec["thresholds"]] == ["errors-c10", "p95-c10", "wrong"]
