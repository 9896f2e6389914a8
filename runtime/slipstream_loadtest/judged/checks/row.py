"""One check and what came of it, with its control. Pure data; judges nothing."""

from __future__ import annotations

from typing import Literal

from slipstream_loadtest.measured.result import ResultPart

Result = Literal["Passed", "Failed", "Inconclusive"]
Control = Literal["Caught", "Missed", "NotRun"]


class CheckRow(ResultPart, frozen=True, kw_only=True):
    """A check besides thresholds, and its control: the same judgement on something broken on purpose, which must be found."""

    name: Literal["isolation", "memoryGrowth", "degradation"]
    result: Result
    control: Control
    observed: str = ""  # e.g. `grows by 1.2 MiB in 5s`
    limit: str = ""
    detectable: str = ""  # the smallest deviation that this run could have found
    message: str = ""
