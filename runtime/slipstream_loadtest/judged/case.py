"""What the checks of a verdict look at, and the rows of checks besides thresholds. Pure data; judges nothing."""

from __future__ import annotations

from dataclasses import dataclass

from slipstream_loadtest.judged.alike import Baseline
from slipstream_loadtest.judged.checks import CheckRow
from slipstream_loadtest.judged.comparison import ComparisonRow
from slipstream_loadtest.judged.live import ended_by
from slipstream_loadtest.judged.thresholds import ThresholdRow
from slipstream_loadtest.measured.result import Result, Window, levels
from slipstream_loadtest.plan.asked import Threshold
from slipstream_loadtest.plan.model import Plan


@dataclass(frozen=True, slots=True)
class Case:
    """What the checks look at."""

    plan: Plan
    result: Result
    thresholds: tuple[ThresholdRow, ...]
    comparison: tuple[ComparisonRow, ...] = ()
    baseline: Baseline | None = None
    checks: tuple[CheckRow, ...] = ()

    @property
    def ended_by(self) -> Threshold | None:
        """The threshold that has ended the run, if one did."""
        return ended_by(self.plan, self.result.aborted)

    def held(self) -> list[Window]:
        return [w for w in self.result.windows if w.judged]

    def levels(self) -> list[tuple[str, str, list[Window]]]:
        """Target, stage and all repeats of it."""
        return levels(self.result)

    @property
    def tolerated(self) -> bool:
        """So many runners may be missing, wholly or in part, if somebody has measured to the end."""
        missing = len(self.result.lost) + len(self.result.cut)
        return 0 < missing <= self.plan.max_lost and len(self.result.received) > len(self.result.cut)
