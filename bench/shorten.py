"""A load test's document with shorter stages, everything else as it is. Pure."""

from __future__ import annotations

from typing import Any, Final

SAMPLE_SECONDS: Final = 60  # of the stages of the samples


def shortened(document: dict[str, Any], seconds: int, only: set[str]) -> dict[str, Any]:
    """The same test with stages of `seconds`, ramps and settling in proportion, and of them only some."""
    spec = document["spec"]
    spec["stages"] = [stage for stage in spec["stages"] if not only or stage["name"] in only]
    names = {stage["name"] for stage in spec["stages"]}
    for stage in spec["stages"]:
        stage["duration"] = f"{seconds}s"
        for field in ("ramp", "settle"):
            if field in stage:
                stage[field] = f"{max(1, int(stage[field].removesuffix('s')) * seconds // SAMPLE_SECONDS)}s"
    spec["thresholds"] = [bound for bound in spec["thresholds"] if bound.get("stage") in (None, *names)]
    return document
