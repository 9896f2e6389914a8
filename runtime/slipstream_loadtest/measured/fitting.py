"""Cuts a part to what can be handed over: latencies over time go first, of what isn't judged before what is. Pure; totals always stay.

A stage of five steps and a minute is up to a megabyte of them, and a test may have fifty stages, but who collects parts holds those of a
hundred runners. A bound with a window that has lost them has no data, and says so.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from slipstream_loadtest.measured.histogram import HistogramData
from slipstream_loadtest.measured.part import Part, PhasePart, SeriesPart, encode_part
from slipstream_loadtest.plan.model import Plan

PART_BYTES: Final = 8 << 20  # of JSON, half of what the operator takes
_NONE: Final = HistogramData()


def fitted(plan: Plan, part: Part, limit: int = PART_BYTES) -> bytes:
    """The part encoded, in at most `limit` bytes where its totals leave room for that."""
    data = encode_part(part)
    for judged in (False, True):
        if len(data) <= limit:
            break
        part = replace(part, phases=tuple(_bare(one) if _judged(plan, one) is judged else one for one in part.phases))
        data = encode_part(part)
    return data


def _judged(plan: Plan, phase: PhasePart) -> bool:
    return plan.phases[phase.phase].kind == "Hold"


def _bare(phase: PhasePart) -> PhasePart:
    """Without latencies of its slices; their counts stay."""
    return replace(phase, series=tuple(map(_without, phase.series)))


def _without(series: SeriesPart) -> SeriesPart:
    return replace(series, slices=tuple(replace(one, latency=_NONE) for one in series.slices))
