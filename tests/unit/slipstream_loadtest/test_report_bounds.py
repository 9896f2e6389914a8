"""A report of bounded size: what is left out first, what never, and that it says so."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from slipstream_loadtest.judged.verdict import judge
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import PhasePart
from slipstream_loadtest.report.bounded import CONFIG_MAP_BYTES, fitted, plain, size
from slipstream_loadtest.report.document import NoReport, as_json, read_report
from slipstream_loadtest.report.html.page import as_html
from tests.fakes.loadtest_plans import STEP, a_part, comparison_plan
from tests.fakes.loadtest_reports import compared_report, rich_series


def test_what_fits_is_whole() -> None:
    """Nothing is left out without need."""
    report = compared_report()
    assert fitted(report, size(report)) == report


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2, 0.1])
def test_a_report_fits_and_names_what_is_gone(share: float) -> None:
    """Slices first; the verdict, its evidence and the figures of stages stay."""
    report = compared_report()
    small = fitted(report, int(size(report) * share))
    assert size(small) <= size(report) * share
    assert small.omitted[0] == "measured.windows.steps.slices"
    assert [s.times for s in small.stages] == [s.times for s in report.stages]
    assert (small.reasons, small.thresholds, small.comparison) == (report.reasons, report.thresholds, report.comparison)
    assert all(name in as_html(small) for name in small.omitted)


def test_a_baseline_stays_one_as_long_as_it_can() -> None:
    """Without slices and timings it still holds its plan and the histograms of what was judged."""
    report = compared_report()
    without_slices = fitted(report, size(report) - 1)
    assert without_slices.plan == report.plan
    assert without_slices.measured is not None
    assert [len(w.steps) for w in without_slices.measured.windows] == [
        len(w.steps) for w in (report.measured or without_slices.measured).windows
    ]


def test_trap_t27_a_report_of_all_stages_fits_into_a_config_map() -> None:
    """32 stages of 16 scenarios, slices of each: below the bound. What the operator stores beside it: test_loadtest_storing."""
    import random

    scenarios = [{"name": f"c{n}", "steps": [STEP]} for n in range(16)]
    stages = [{"name": f"stage-{n}", "users": 1, "duration": "60s"} for n in range(32)]
    plan = comparison_plan(1, stages=stages, scenarios=scenarios)
    one = rich_series(plan, "c0", "get", random.Random(1), 5.0, 20, corrected=False)
    every = tuple(replace(one, scenario=c.name, step=s.name) for c in plan.scenarios for s in c.steps)
    phases = tuple(PhasePart(phase=n, held_ms=60_000, series=every if p.kind == "Hold" else ()) for n, p in enumerate(plan.phases))
    result = merge(plan, [replace(a_part(plan, {}), phases=phases)])
    text = json.dumps(as_json(plan, result, judge(plan, result)), separators=(",", ":"))
    assert len(text.encode()) <= CONFIG_MAP_BYTES
    back = read_report(text)
    assert len(back.stages) == 64
    assert back.omitted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("\xff", "no JSON"),
        ("[]", "schemaVersion 1"),
        ('{"schemaVersion": 2}', "schemaVersion 1"),
        ('{"schemaVersion": 1, "name": "x"}', "isn't whole"),
    ],
)
def test_what_is_no_report_is_said(text: str, words: str) -> None:
    """With what it is instead."""
    with pytest.raises(NoReport, match=words):
        read_report(text.encode("latin-1"))


def test_members_that_came_later_are_passed_over() -> None:
    """A reader of version 1 reads every document of version 1."""
    report = compared_report()
    assert read_report(json.dumps(plain(report) | {"weather": "fine"})) == report


def test_a_report_of_another_release_keeps_its_verdict_and_figures() -> None:
    """A plan or a result that this version can't compute with is left out by name; nothing else is."""
    report = compared_report()
    document = plain(report)
    document["plan"] |= {"version": 99, "novelty": True}
    document["measured"] |= {"version": 98, "novelty": True}
    back = read_report(json.dumps(document))
    assert (back.plan, back.measured) == (None, None)
    assert back.stages == report.stages
    assert back.omitted[0].startswith("plan (of version 99")
    assert back.omitted[1].startswith("measured (of version 98")
    assert "plan (of version 99" in as_html(back)
