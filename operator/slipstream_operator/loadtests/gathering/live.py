"""What a run has measured so far: what runners say each second as live figures, and their unfinished parts for bounds that end it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from slipstream_loadtest.engine.progress import Progress, combine
from slipstream_loadtest.measured.histogram import Unlike
from slipstream_loadtest.measured.merge import check_part, merge
from slipstream_loadtest.measured.part import decode_part
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.units import show, show_number
from slipstream_operator.loadtests.judging import aborts


@dataclass(frozen=True, slots=True)
class Live:
    """Texts for columns, empty where nothing is known; `broken`: a threshold with `abort` that is broken, in words."""

    progress: str = ""
    rps: str = ""
    p95: str = ""
    errors: str = ""
    broken: str = ""

    def summary(self) -> dict[str, str]:
        """The members of status.summary."""
        return {name: value for name in ("rps", "p95", "errors") if (value := getattr(self, name))}


NOTHING: Final = Live()


def live(plan: Plan, run: str, encoded: Iterable[bytes], moments: Sequence[Progress], elapsed_ms: int) -> Live:
    """`moments`: what the runners say of themselves each second; `encoded`: their unfinished parts, where a bound may end the run."""
    result = so_far(plan, run, encoded)
    moment = together(moments)
    if moment is None:
        return NOTHING
    ended = moment.completed + moment.failed
    words = (moment.kind, moment.stage, moment.target, f"{moment.rps:.0f}/s")
    return Live(
        progress=" ".join(word for word in words if word),
        rps=show_number(moment.rps),
        p95=show(moment.p95_ms, "ms") if moment.p95_ms is not None else "",
        errors=show(moment.failed * 100 / ended, "percent") if ended else "",
        broken=aborts(plan, result, elapsed_ms) if result is not None else "",
    )


def together(moments: Sequence[Progress]) -> Progress | None:
    """All runners in one; None where none has begun, or what answers isn't a runner of this version."""
    try:
        return combine(moments) if moments else None
    except Unlike:
        return None


def so_far(plan: Plan, run: str, encoded: Iterable[bytes]) -> Result | None:
    """The merge of what there is; one that can't be read is left out, since the next one comes in a second."""
    parts = []
    for data in encoded:
        try:
            part = decode_part(data)
            check_part(plan, part)
        except Unlike:
            continue
        parts.append(part)
    return merge(plan, parts, run) if parts else None
