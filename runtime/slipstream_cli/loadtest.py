"""`slipstream loadtest`: runs a LoadTest on this machine, shows and stores what came out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from slipstream_api.enforcement import not_enforced
from slipstream_api.models import LoadTestSpec
from slipstream_api.resources import Resource
from slipstream_cli import admin
from slipstream_cli.baseline import NoBaseline, read_baseline
from slipstream_cli.console import fail
from slipstream_cli.formats import Files, check, write
from slipstream_cli.measure import CannotMeasure, measure, routes_of
from slipstream_cli.report import Html, Junit, Prometheus, exit_code, show
from slipstream_cli.sources import Source, SourceError, config_maps_of, load, load_tests, problems_of
from slipstream_loadtest.report.document import as_report


def loadtest(
    files: Annotated[list[Path], typer.Option("-f", "--filename", help="File or folder with the LoadTest.")],
    name: Annotated[str, typer.Option("--name", help="Which one, when the files have several.")] = "",
    report: Annotated[Path | None, typer.Option("--report", help="Where to store the whole result, as JSON.")] = None,
    html: Html = None,
    junit: Junit = None,
    prometheus: Prometheus = None,
    runners: Annotated[int | None, typer.Option("--runners", min=1, max=64, help="Processes that share the load; 1 if not given.")] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="An earlier result (of --report) to compare with; for baseline LastPassed or Result.")
    ] = None,
    socket: Annotated[Path | None, typer.Option("--socket", help="Unix socket of `slipstream run`; found by itself if not given.")] = None,
) -> None:
    """Runs a LoadTest on this machine. A poolRef target goes through the layers of a running `slipstream run`.

    Exit codes: 0 Passed; 99 Failed: a bound was broken (k6's code); 3 Inconclusive: it could not be measured; 2 usage; 130 aborted by
    Ctrl-C, and what was measured until then is shown and stored.

    Example: slipstream loadtest -f manifests/samples/loadtest.yaml --report out.json --html out.html
    """
    wanted = Files(report, html, junit, prometheus)
    check(wanted)
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
    finished = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = as_report(measured.plan, measured.result, measured.verdict, finished_at=finished, unenforced=not_enforced(test))
    try:
        write(found, wanted)  # first: a reader of standard output who leaves takes no file away
    finally:
        show(found)
    raise typer.Exit(int(exit_code(found)))


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
