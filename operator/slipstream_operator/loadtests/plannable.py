"""Would the plan of a LoadTest be refused, and why? Remembered, since a look comes each second and a plan may hold large tables. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from slipstream_api.models import LoadTestSpec
from slipstream_loadtest.plan.build import PlanRefused, Routes, build_plan
from slipstream_operator.loadtests.target import Measurable

REMEMBERED: Final = 16  # answers, each with its texts: a megabyte at most


def refusal(name: str, namespace: str, spec: LoadTestSpec, target: Measurable) -> str:
    """What no schema can say: bounds of the wrong unit, templates without data, too few rows. Empty: it can be planned."""
    texts = frozenset(target.config_maps.items())
    return _refusal(name, namespace, spec.model_dump_json(by_alias=True), target.routes, texts)


@lru_cache(maxsize=REMEMBERED)
def _refusal(name: str, namespace: str, spec: str, routes: Routes, texts: frozenset[tuple[tuple[str, str], str]]) -> str:
    try:
        build_plan(name, namespace, LoadTestSpec.model_validate_json(spec), routes, seed=0, config_maps=dict(texts))
    except PlanRefused as error:
        return str(error)
    return ""
