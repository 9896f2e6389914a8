"""`slipstream report` and `compare`: formats, exit codes, results out of a cluster by a kubectl, and refusals."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from slipstream_loadtest.judged.verdict import Reason
from slipstream_loadtest.plan.model import encode_plan
from slipstream_loadtest.report.bounded import plain
from slipstream_loadtest.report.model import Report
from slipstream_operator.loadtests.applying.results import packed
from tests.fakes.commands import application
from tests.fakes.loadtest_reports import compared_report, failed_report, golden_report, lost_report

RUNNER = CliRunner()
KUBECTL = """#!/bin/sh
echo "$@" >> "{folder}/asked"
for last; do :; done
cat "{folder}/$3-$last.json" 2> /dev/null || {{ echo "Error from server (NotFound): $last not found" >&2; exit 1; }}
"""


def store(folder: Path, report: Report, name: str = "out.json") -> str:
    file = folder / name
    file.write_text(json.dumps(plain(report)))
    return str(file)


def invoke(*arguments: str) -> Any:
    return RUNNER.invoke(application(), list(arguments))


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (golden_report(), 0),
        (failed_report(), 99),
        (lost_report(), 3),
        (replace(golden_report(), result="Inconclusive", reasons=(Reason(code="Aborted", message="Ctrl-C"),)), 130),
    ],
    ids=["passed", "failed", "inconclusive", "aborted"],
)
def test_the_exit_code_is_that_of_the_run(tmp_path: Path, report: Report, code: int) -> None:
    """Whatever is written beside."""
    found = invoke("report", store(tmp_path, report), "--html", str(tmp_path / "out.html"))
    assert found.exit_code == code, found.output
    assert report.reasons[0].code in found.stdout
    assert (tmp_path / "out.html").read_text().startswith("<!doctype html>")


def test_all_formats_are_written_whole_and_nothing_else(tmp_path: Path) -> None:
    """Each beside its place first, then moved: nobody reads half of one."""
    stored = store(tmp_path, compared_report())
    options = [f"--{name}={tmp_path / name}" for name in ("html", "junit", "prometheus")]
    assert invoke("report", stored, *options).exit_code == compared_code()
    assert sorted(os.listdir(tmp_path)) == ["html", "junit", "out.json", "prometheus"]
    assert (tmp_path / "junit").read_text().endswith("</testsuites>\n")
    assert (tmp_path / "prometheus").read_text().endswith("# EOF\n")


def compared_code() -> int:
    return {"Passed": 0, "Failed": 99}.get(compared_report().result, 3)


def test_json_is_the_document_and_nothing_else(tmp_path: Path) -> None:
    """For jq."""
    report = golden_report()
    found = invoke("report", store(tmp_path, report), "--json")
    assert json.loads(found.stdout) == json.loads(json.dumps(plain(report)))


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Exit code 2, and the option is named."""
    found = invoke("report", store(tmp_path, golden_report()), "--junit", str(tmp_path / "no" / "out.xml"))
    assert found.exit_code == 2
    assert "--junit" in found.output
    assert "make it first" in found.output


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that reads objects from files, and writes down what it was asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    kubectl = folder / "kubectl"
    kubectl.write_text(KUBECTL.format(folder=folder))
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def put(folder: Path, name: str, document: dict[str, Any]) -> None:
    (folder / f"--output=json-{name}.json").write_text(json.dumps(document))


def test_the_last_result_of_a_load_test_is_read_from_its_config_map(cluster: Path) -> None:
    """As the operator stores it, with its status; in the LoadTest's own namespace."""
    put(cluster, "memory", {"metadata": {"namespace": "shop"}, "status": {"resultRef": {"kind": "ConfigMap", "name": "memory-3-result"}}})
    document = plain(golden_report()) | {"status": {"summary": {}}}
    put(cluster, "memory-3-result", {"data": {"result.json": json.dumps(document)}})
    found = invoke("report", "loadtest/memory", "-n", "shop", "--context", "kind")
    assert found.exit_code == 0, found.output
    assert "Passed" in found.stdout
    asked = (cluster / "asked").read_text().splitlines()
    assert asked == [
        "get loadtests.slipstream.dev --output=json --namespace=shop --context=kind -- memory",
        "get configmap --output=json --namespace=shop --context=kind -- memory-3-result",
    ]


RUNS = {
    "metadata": {"namespace": "shop"},
    "status": {
        "run": 5,
        "resultRef": {"name": "memory-5-result"},
        "history": [{"run": 4}, {"run": 3, "result": "memory-3-result"}],
    },
}


def put_run(folder: Path, number: int, report: Report, *, small: bool = False) -> None:
    """As the operator stores it; `small`: without plan and histograms, which then lie beside the document."""
    assert report.plan is not None
    assert report.measured is not None
    bare = replace(report, plan=None, measured=None, omitted=("plan.data", "measured", "plan")) if small else report
    packs = packed(report.measured)
    put(folder, f"memory-{number}-result", {"data": {"result.json": json.dumps(plain(bare))}, "binaryData": {"measured": packs}})
    put(folder, f"memory-{number}-plan", {"data": {"plan.json": encode_plan(report.plan).decode()}})


def test_each_stored_run_is_read_by_its_number(cluster: Path) -> None:
    """The last one, and one of the history; of others it says which there are. A run whose result wasn't stored isn't among them."""
    put(cluster, "memory", RUNS)
    put_run(cluster, 5, failed_report())
    put_run(cluster, 3, golden_report())
    for place, code in (("loadtest/memory", 99), ("loadtest/memory/5", 99), ("loadtest/memory/3", 0)):
        assert invoke("report", place).exit_code == code, place
    for run in ("4", "7", "x"):
        found = invoke("report", f"loadtest/memory/{run}")
        assert found.exit_code == 2
        assert f"loadtest/memory has no result of run {run}: it has those of 3, 5" in " ".join(found.output.split())


@pytest.mark.parametrize("small", [False, True])
def test_runs_are_compared_by_what_lies_beside_their_documents(cluster: Path, small: bool) -> None:
    """A document that was cut for its size is no obstacle: plan and histograms are in the ConfigMaps."""
    put(cluster, "memory", RUNS)
    put_run(cluster, 3, compared_report(8), small=small)
    put_run(cluster, 5, compared_report(8, layers_ms=9.0), small=small)
    found = invoke("compare", "loadtest/memory/3", "loadtest/memory/5")
    assert found.exit_code == 99, found.output
    assert "Regressed" in found.stdout


def test_a_page_of_a_cut_document_has_its_percentiles(cluster: Path, tmp_path: Path) -> None:
    """From the histograms beside it; what is still missing is said. Without them there is no curve."""
    put(cluster, "memory", RUNS)
    put_run(cluster, 5, compared_report(), small=True)
    page = tmp_path / "out.html"
    invoke("report", "loadtest/memory", "--html", str(page))
    text = page.read_text()
    assert "Latency by percentile" in text
    assert "measured.windows.steps.slices: not in this report" in text
    assert "measured: not in this report" not in text
    put(cluster, "memory-5-result", {"data": {"result.json": json.dumps(plain(replace(compared_report(), measured=None)))}})
    invoke("report", "loadtest/memory", "--html", str(page))
    assert "Latency by percentile" not in page.read_text()


@pytest.mark.parametrize("beside", ["", "!", "AAAA", "eJwDAAAAAAE="])
def test_what_cannot_be_read_beside_a_document_changes_nothing(cluster: Path, beside: str) -> None:
    """Users may write ConfigMaps."""
    put(cluster, "memory", RUNS)
    document = {"result.json": json.dumps(plain(replace(golden_report(), measured=None, omitted=("measured",))))}
    put(cluster, "memory-5-result", {"data": document, "binaryData": {"measured": beside}})
    found = invoke("report", "loadtest/memory")
    assert found.exit_code == 0, found.output


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ({}, "not found"),
        ({"memory": {"status": {}}}, "has no result yet"),
        ({"memory": {}}, "has no result yet"),
        ({"memory": {"status": {"resultRef": {"name": "r"}}}, "r": {"data": {}}}, "no result.json"),
        ({"memory": {"status": {"resultRef": {"name": "r"}}}, "r": {"data": {"result.json": "{}"}}}, "schemaVersion 1"),
    ],
)
def test_a_load_test_without_a_result_is_exit_code_2(cluster: Path, objects: dict[str, Any], words: str) -> None:
    """And says why."""
    for name, document in objects.items():
        put(cluster, name, document)
    found = invoke("report", "loadtest/memory")
    assert found.exit_code == 2
    assert words in found.output


def test_of_what_kubectl_says_its_last_word_is_told(cluster: Path) -> None:
    """Before it come the attempts that it logs, five of them where there is no cluster."""
    (cluster / "kubectl").write_text("#!/bin/sh\necho 'E1129 memcache.go:265] Unhandled' >&2\necho 'connection refused' >&2\nexit 1\n")
    found = invoke("report", "loadtest/memory")
    assert found.exit_code == 2
    assert "kubectl get loadtests.slipstream.dev memory: connection refused" in found.output
    assert "memcache" not in found.output


def test_without_kubectl_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Install it, or give a file."""
    monkeypatch.setenv("PATH", str(tmp_path))
    found = invoke("report", "loadtest/memory")
    assert found.exit_code == 2
    assert "kubectl" in found.output


def test_compare_says_what_differs(tmp_path: Path) -> None:
    """Unlike loads are refused, exit code 2."""
    found = invoke("compare", store(tmp_path, compared_report(), "a.json"), store(tmp_path, failed_report(), "b.json"))
    assert found.exit_code == 2
    assert "different loads" in found.output
    assert "differs from the baseline" in found.output.replace("\n", " ")


def test_compare_of_a_report_with_itself_is_no_change(tmp_path: Path) -> None:
    """Exit code 0; with few repeats it can't be told, exit code 3."""
    many, few = store(tmp_path, compared_report(8), "a.json"), store(tmp_path, compared_report(2), "b.json")
    found = invoke("compare", many, many)
    assert found.exit_code == 0, found.output
    assert "NoChange" in found.stdout
    assert invoke("compare", few, few).exit_code == 3


def test_compare_of_a_slower_run_is_exit_code_99(tmp_path: Path) -> None:
    """The first is the baseline: the other way round nothing got worse."""
    fast = store(tmp_path, compared_report(8), "a.json")
    slow = store(tmp_path, compared_report(8, layers_ms=9.0), "b.json")
    found = invoke("compare", fast, slow)
    assert found.exit_code == 99, found.output
    assert "Regressed" in found.stdout
    assert invoke("compare", slow, fast).exit_code == 0


def test_files_are_written_even_if_nobody_reads_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`| head` closes standard output early."""

    def leave(found: Report) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("slipstream_cli.report.show", leave)
    found = invoke("report", store(tmp_path, golden_report()), "--html", str(tmp_path / "out.html"))
    assert isinstance(found.exception, BrokenPipeError)
    assert (tmp_path / "out.html").exists()
