"""`slipstream loadtest` and `slipstream report`: runs a LoadTest on this machine, shows and stores what came out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from slipstream_api.models import LoadTestSpec
from slipstream_api.resources import Resource
from slipstream_cli import admin
from slipstream_cli.baseline import NoBaseline, read_baseline
from slipstream_cli.console import Exit, escape, fail, out, table
from slipstream_cli.measure import CannotMeasure, Measured, measure, routes_of
from slipstream_cli.sources import Source, SourceError, config_maps_of, load, load_tests, problems_of
from slipstream_loadtest.report.document import as_json, as_text


def loadtest(
    files: Annotated[list[Path], typer.Option("-f", "--filename", help="File or folder with the LoadTest.")],
    name: Annotated[str, typer.Option("--name", help="Which one, when the files have several.")] = "",
    report: Annotated[Path | None, typer.Option("--report", help="Where to store the whole result, as JSON.")] = None,
    runners: Annotated[int | None, typer.Option("--runners", min=1, max=64, help="Processes that share the load; 1 if not given.")] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="An earlier result (of --report) to compare with; for baseline LastPassed or Result.")
    ] = None,
    socket: Annotated[Path | None, typer.Option("--socket", help="Unix socket of `slipstream run`; found by itself if not given.")] = None,
) -> None:
    """Runs a LoadTest on this machine. A poolRef target goes through the layers of a running `slipstream run`.

    Exit codes: 0 Passed; 99 Failed: a bound was broken (k6's code); 3 Inconclusive: it could not be measured; 2 usage; 130 aborted by
    Ctrl-C, and what was measured until then is shown and stored.

    Example: slipstream loadtest -f manifests/samples/loadtest.yaml --report out.json
    """
    if report is not None and not report.parent.is_dir():
        fail(f"--report {report}: there is no folder {report.parent}: make it first")  # before the run, not after it
    try:
        source = Source(tuple(files))
        test = choose(source, name)
        assert isinstance(test.spec, LoadTestSpec)
        config_maps = config_maps_of(load(source), test.namespace)
        earlier = read_baseline(baseline) if baseline is not None else None
        routes = routes_of(test.spec, socket or admin.default_socket())
        measured = measure(test, routes, runners, baseline=earlier, config_maps=config_maps)
    except (SourceError, CannotMeasure, NoBaseline) as error:
        fail(str(error))
    document = as_json(measured.plan, measured.result, measured.verdict)
    document |= {"plan": msgspec.to_builtins(measured.plan), "measured": msgspec.to_builtins(measured.result)}  # whole, as a baseline
    show(measured)
    if report is not None:
        _store(document, report)
    raise typer.Exit(int(exit_code(document)))


def _store(document: dict[str, Any], file: Path) -> None:
    try:
        file.write_text(json.dumps(document, indent=1) + "\n")
    except OSError as error:
        fail(f"--report {file}: {error.strerror}", Exit.PROBLEMS)


def report(file: Annotated[Path, typer.Argument(help="A result that `slipstream loadtest --report` has stored.")]) -> None:
    """Shows a stored result again.

    Example: slipstream report out.json
    """
    try:
        document = json.loads(file.read_text())
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    except ValueError:
        fail(f"{file}: no JSON: give a file that `slipstream loadtest --report` has written")
    if not isinstance(document, dict) or document.get("schemaVersion") != 1:
        fail(f"{file}: no result of a load test that this version knows (schemaVersion 1)")
    columns = ("STAGE", "TARGET", "RPS", "P50", "P95", "P99", "ERRORS", "WRONG", "HIT", "REUSE")
    try:
        rows = [_row(level) for level in document["stages"]]
        out.print(table(f"{document['name']}: {document['result']}", columns, rows))
        for reason in document["reasons"]:
            out.print(escape(f"{reason['code']}: {reason['message']}"))
        code = exit_code(document)
    except (KeyError, TypeError, AttributeError):
        fail(f"{file}: it says schemaVersion 1 but isn't whole: store it anew with `slipstream loadtest --report`")
    raise typer.Exit(int(code))


def choose(source: Source, name: str) -> Resource:
    """The LoadTest that is meant."""
    loaded = load(source)
    if loaded.problems:
        raise SourceError(problems_of(loaded))
    tests = load_tests(loaded)
    known = ", ".join(test.name for test in tests) or "none"
    chosen = [test for test in tests if not name or test.name == name]
    if len(chosen) != 1:
        which = f"no LoadTest {name}".rstrip() if not chosen else f"{len(chosen)} LoadTests"
        raise SourceError(f"{which} in {', '.join(map(str, source.paths))}: there are: {known}; choose one with --name")
    return chosen[0]


def show(measured: Measured) -> None:
    """The tables of a result."""
    for one in as_text(measured.plan, measured.result, measured.verdict):
        out.print(table(one.title, one.columns, list(one.rows)))


def exit_code(document: dict[str, Any]) -> Exit:
    """What a result means for a pipeline."""
    if any(reason["code"] == "Aborted" for reason in document["reasons"]):
        return Exit.ABORTED
    return {"Passed": Exit.OK, "Failed": Exit.THRESHOLDS_FAILED}.get(document["result"], Exit.INCONCLUSIVE)


def _row(level: dict[str, Any]) -> tuple[str, ...]:
    times = level["latencyMs"] or level["serviceTimeMs"]
    quantiles = tuple(_figure(times.get(name), " ms") for name in ("p50", "p95", "p99"))
    return (
        level["stage"],
        level["target"],
        _figure(level["throughput"], "/s"),
        *quantiles,
        _figure(level["errorsPercent"], " %"),
        str(level["wrong"]),
        _figure(level["cache"]["hitPercent"], " %"),
        _figure(level["connections"]["reusePercent"], " %"),
    )


def _figure(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:,.2f}{unit}"
