"""One thing that a judgement has to say. Pure data."""

from __future__ import annotations

from slipstream_loadtest.measured.result import ResultPart


class Reason(ResultPart, frozen=True, kw_only=True):
    """`code`: for machines, one of the names in verdict.py; `message`: for people, says what to change."""

    code: str
    message: str
