"""Every format of a report: as stored before (golden), as its consumers parse it, and with hostile names."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from slipstream_loadtest.judged.comparison import ComparisonRow
from slipstream_loadtest.judged.verdict import Reason, judge
from slipstream_loadtest.plan.units import show
from slipstream_loadtest.report.bounded import plain
from slipstream_loadtest.report.document import as_report, read_report
from slipstream_loadtest.report.html.page import as_html
from slipstream_loadtest.report.junit import as_junit, cases_of
from slipstream_loadtest.report.model import Report
from slipstream_loadtest.report.prometheus import as_prometheus
from slipstream_loadtest.report.text import as_text
from slipstream_operator.loadtests.gathering.counters import Counters
from tests.fakes.loadtest_plans import a_plan, a_result, a_series
from tests.fakes.loadtest_reports import HOSTILE, compared_report, failed_report, golden_report, hostile, lost_report

GOLDEN = Path(__file__).parent / "golden"
SCHEMA = json.loads((Path(__file__).parents[3] / "docs/schema/loadtest-report-v1.schema.json").read_text())
EVERY = [compared_report, failed_report, lost_report, golden_report]


def tables(report: Report) -> str:
    return "\n".join(" | ".join(row) for table in as_text(report) for row in ((table.title,), table.columns, *table.rows)) + "\n"


@pytest.mark.parametrize(
    ("name", "write"),
    [("report.junit.xml", as_junit), ("report.prom", as_prometheus), ("report.html", as_html), ("report.txt", tables)],
)
def test_formats_are_as_they_were(name: str, write: Callable[[Report], str]) -> None:
    """GOLDEN=write replaces the files: then read what has changed before you commit it."""
    file, made = GOLDEN / name, write(golden_report())
    if os.environ.get("GOLDEN") == "write":
        file.write_text(made)
    assert made == file.read_text()


@pytest.mark.parametrize("make", EVERY)
def test_documents_fit_the_published_schema(make: Callable[[], Report]) -> None:
    """And come back as they were."""
    document = json.loads(json.dumps(plain(make())))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert msgspec.convert(document, Report) == make()


def test_what_the_operator_stores_comes_back_whole() -> None:
    """As it writes it: why the run began, policies in force, counters of sidecars; and the page shows all of it. A local run has none."""
    counters = {name: msgspec.to_builtins(Counters(requests=n, opened=n)) for name, n in (("before", 3), ("after", 10), ("difference", 7))}
    policies = [{"kind": "CachePolicy", "name": "recall-cache", "generation": 7, "hash": "0a1b2c"}]
    records = {"trigger": "TargetRollout", "policies": policies, "sidecars": counters, "status": {"summary": {}}}
    document = json.loads(json.dumps(plain(failed_report()) | records))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    found = read_report(json.dumps(document))
    assert json.loads(json.dumps(plain(found))) == document
    page = as_html(found)
    for said in ("TargetRollout", "recall-cache", "CachePolicy", "0a1b2c", "opened"):
        assert said in page, said
    assert not {"trigger", "policies", "sidecars", "status"} & set(plain(failed_report()))
    assert "Policies in force" not in as_html(failed_report())


@pytest.mark.parametrize(
    "break_it",
    [
        lambda d: d.pop("planHash"),
        lambda d: d.update(result="Fine"),
        lambda d: d.update(schemaVersion=2),
        lambda d: d["stages"][0].update(offered="5"),
        lambda d: d["stages"][0].pop("censored"),
        lambda d: d["plan"].update(seed=None),
        lambda d: d["policies"][0].pop("generation"),
        lambda d: d["sidecars"]["after"].update(requests="1"),
    ],
)
def test_the_schema_refuses_what_is_no_report(break_it: Callable[[dict[str, Any]], Any]) -> None:
    """Negative controls."""
    document = json.loads(json.dumps(plain(golden_report())))
    break_it(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(document)


@pytest.mark.parametrize("make", EVERY)
def test_junit_counts_add_up_and_names_differ(make: Callable[[], Report]) -> None:
    """What GitHub, GitLab and Jenkins read: suites of cases with a class, a name and a time; at most one outcome each."""
    root = ET.fromstring(as_junit(make()))
    assert root.tag == "testsuites"
    for suite in root.findall("testsuite"):
        cases = suite.findall("testcase")
        assert int(suite.get("tests", "")) == len(cases)
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
        assert all(float(case.get("time", "")) >= 0 and case.get("classname") for case in cases)
        assert all(len(case.findall("failure") + case.findall("skipped")) <= 1 for case in cases)
    names = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert len(names) == len(set(names)) == int(root.get("tests", ""))


def outcomes(report: Report) -> dict[str, str]:
    return {case.name.split(":")[0]: case.outcome for case in cases_of(report)}


def test_junit_says_what_failed_and_what_nobody_could_measure() -> None:
    """A broken bound is a failure, one without data is skipped; the measurement as such was sound."""
    assert outcomes(failed_report()) == {"measurement": "passed", "fast": "failed", "hits": "skipped"}


def test_junit_is_never_green_for_what_was_not_measured() -> None:
    """Inconclusive fails the case `measurement`; so does a failure that no row explains."""
    assert outcomes(lost_report())["measurement"] == "failed"
    unexplained = replace(golden_report(), result="Failed", reasons=(Reason(code="Regressed", message="it did"),))
    assert outcomes(unexplained)["measurement"] == "failed"
    assert outcomes(golden_report())["measurement"] == "passed"


def test_a_regression_fails_its_case_only_where_it_is_a_gate() -> None:
    """Else it is said, and nothing turns red."""
    row = ComparisonRow(
        metric="throughput", stage="s", unit="perSecond", repeats=4, baseline=9, candidate=1, change=0.1, result="Regressed"
    )
    report = replace(golden_report(), comparison=(row,))
    assert outcomes(report)["throughput (s)"] == "skipped"
    assert report.plan is not None
    gate = replace(report, plan=replace(report.plan, comparison=replace(report.plan.comparison, enforce=True)))
    assert outcomes(gate)["throughput (s)"] == "failed"


@pytest.mark.parametrize("make", EVERY)
def test_prometheus_text_is_parsed_by_its_own_parser(make: Callable[[], Report]) -> None:
    """Names by convention; base units; every family has samples."""
    families = list(text_string_to_metric_families(as_prometheus(make())))
    assert families
    assert all(f.name.startswith("slipstream_loadtest_") and f.type == "gauge" and f.documentation and f.samples for f in families)


def test_prometheus_figures_are_those_of_the_report() -> None:
    """In seconds; corrected latency of the open stage alone."""
    report = compared_report()
    families = {f.name: f for f in text_string_to_metric_families(as_prometheus(report))}
    latency = families["slipstream_loadtest_latency_seconds"].samples
    assert {sample.labels["stage"] for sample in latency} == {"r500"}
    for stage in report.stages:
        (found,) = [
            sample.value
            for sample in families["slipstream_loadtest_service_time_seconds"].samples
            if (sample.labels["stage"], sample.labels["target"], sample.labels["quantile"]) == (stage.stage, stage.target, "0.95")
        ]
        assert found * 1000 == pytest.approx(stage.service_time_ms.p95)
    verdicts = {s.labels["result"]: s.value for s in families["slipstream_loadtest_result"].samples}
    assert verdicts == {one: float(one == report.result) for one in verdicts}


def test_a_slow_thousandth_is_in_every_report() -> None:
    """2,000 calls, three of them slow: neither p99 nor maximum says so. A document of before has no such member, and is read."""
    plan = a_plan(stages=[{"name": "s", "ratePerSecond": 10, "duration": "10s"}])
    result = a_result(plan, a_series(plan, [10] * 1_997 + [700, 700, 900], corrected=True))
    report = as_report(plan, result, judge(plan, result))
    (stage,) = report.stages
    assert stage.latency_ms is not None
    assert [stage.latency_ms.p999, stage.service_time_ms.p999, stage.steps[0].p999_ms] == [pytest.approx(700, rel=0.01)] * 3
    assert stage.latency_ms.p99 == pytest.approx(10, rel=0.01)
    assert as_html(report).count(f'<td class="n">{show(stage.latency_ms.p999, "ms")}</td>') >= 3
    tails = [
        s.value for f in text_string_to_metric_families(as_prometheus(report)) for s in f.samples if s.labels.get("quantile") == "0.999"
    ]
    assert tails == [pytest.approx(0.7, rel=0.01)] * 3
    document = json.loads(json.dumps(plain(report)))
    for one in document["stages"]:
        del one["latencyMs"]["p999"], one["serviceTimeMs"]["p999"], one["steps"][0]["p999Ms"]
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert "0.999" not in as_prometheus(read_report(json.dumps(document)))


def test_a_broken_exposition_is_refused_by_the_parser() -> None:
    """Negative control of the parser: without an end, and with a family twice."""
    text = as_prometheus(golden_report())
    for broken in (text.removesuffix("# EOF\n"), text.replace("# EOF\n", text)):
        with pytest.raises(ValueError, match=r"EOF|[Dd]uplicate|Clashing"):
            list(text_string_to_metric_families(broken))


def spoilt() -> Report:
    return msgspec.convert(hostile(json.loads(json.dumps(plain(compared_report())))), Report)


class Elements(HTMLParser):
    """Every element and attribute of a page; the text of headings."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_hostile_names_make_no_markup() -> None:
    """The same elements and attributes as of a harmless report, in HTML; well-formed XML; a parseable exposition."""
    harmless, page = Elements(as_html(compared_report())), as_html(spoilt())
    assert (Elements(page).tags, Elements(page).attributes) == (harmless.tags, harmless.attributes)
    assert "<script" not in page
    root = ET.fromstring(as_junit(spoilt()))
    assert any("<script>alert(1)</script>" in (case.get("name") or "") for case in root.iter("testcase"))
    labels = {v for f in text_string_to_metric_families(as_prometheus(spoilt())) for s in f.samples for v in s.labels.values()}
    assert any("<script>" in label for label in labels)
    for text in (page, as_junit(spoilt()), as_prometheus(spoilt())):
        text.encode()  # no surrogate is left
        assert not {"\x00", "\x1b", "\u202e"} & set(text)


def test_a_name_that_isn_t_escaped_is_noticed() -> None:
    """Negative control: the same look at a page with one name put in as it is."""
    page = as_html(compared_report()).replace("<h1>", f"<h1>{HOSTILE}<b onclick='x'>")
    found = Elements(page)
    assert "script" in found.tags
    assert "onclick" in found.attributes


def test_a_page_asks_nothing_of_a_network() -> None:
    """No address in it but those that are text, no script, and a policy that forbids both."""
    page = as_html(compared_report())
    elements = Elements(page)
    assert not elements.tags & {"script", "link", "img", "iframe", "object", "a", "form", "base"}
    assert not elements.attributes & {"src", "href", "style", "onload", "onclick", "action"}
    assert "default-src 'none'" in page
    assert "url(" not in page
    assert "@import" not in page


def test_what_was_not_measured_is_listed() -> None:
    """Warm-up, lost runners, cut-off calls, fields without effect, what the size has cost."""
    page = as_html(failed_report()) + as_html(lost_report()) + as_html(replace(compared_report(), omitted=("plan.data",)))
    for said in ("WarmUp: 10 ×", "Lost runners: 0 of 1", "calls were still running", "stages[s].ramp", "plan.data: not in this report"):
        assert said in page, said


def test_the_guide_names_every_metric() -> None:
    """And none that doesn't exist."""
    guide = (Path(__file__).parents[3] / "docs/guide/reports.md").read_text()
    rows = [line.split("|")[1] for line in guide.splitlines() if line.startswith("| `slipstream_loadtest_")]
    told = {
        name.replace("...", "slipstream_loadtest") for row in rows for name in row.replace("`", "").replace(",", " ").split() if "_" in name
    }
    texts = as_prometheus(compared_report()) + as_prometheus(golden_report())
    assert told == {line.split()[2] for line in texts.splitlines() if line.startswith("# TYPE")}


def test_a_window_and_a_bound_that_is_only_reported_are_told() -> None:
    """Where and since when it was broken, what it is about, and that it fails nothing."""
    report = golden_report()
    scoped = {"scenario": "read", "step": "get", "window_ms": 10_000, "stretches": 6, "broken_stretches": 2, "first_breach_at_ms": 40_000}
    row = replace(report.thresholds[0], result="Failed", enforce=False, **scoped)
    report = replace(report, thresholds=(row,))
    assert outcomes(report)["p95"] == "skipped"
    page = as_html(report)
    for said in ("s / read / get, in every 10s", "2 of 6 stretches; first at 40s; reported, fails nothing"):
        assert said in page, said
    assert "Failed (reported)" in tables(report)
