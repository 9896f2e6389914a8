"""`slipstream report` and `slipstream compare`: show stored results, and write them in other formats. Judges nothing itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipstream_cli.console import Exit, escape, fail, out, table
from slipstream_cli.formats import Files, check, document, write
from slipstream_cli.stored import Cluster, NotFound, load_report
from slipstream_loadtest.report.against import Unlike, against
from slipstream_loadtest.report.model import Report
from slipstream_loadtest.report.text import as_text, comparison_table

PLACE_HELP = "A file of --report; or a LoadTest, whose last result is meant, or that of a run."
Place = Annotated[str, typer.Argument(metavar="FILE|loadtest/NAME[/RUN]", help=PLACE_HELP)]
Namespace = Annotated[str, typer.Option("-n", "--namespace", help="Where the LoadTest is; kubectl's default if not given.")]
Context = Annotated[str, typer.Option("--context", help="Which cluster of the kubeconfig.")]
Html = Annotated[Path | None, typer.Option("--html", help="Where to write one page for people, with charts.")]
Junit = Annotated[Path | None, typer.Option("--junit", help="Where to write JUnit XML, for a pipeline.")]
Prometheus = Annotated[Path | None, typer.Option("--prometheus", help="Where to write metrics, for a textfile collector.")]


def report(
    place: Place,
    html: Html = None,
    junit: Junit = None,
    prometheus: Prometheus = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole document instead of tables.")] = False,
    namespace: Namespace = "",
    context: Context = "",
) -> None:
    """Shows a stored result again, and writes it in other formats. loadtest/NAME (the last run) and
    loadtest/NAME/RUN are read from the cluster, by kubectl.

    Exit codes: those of the run: 0 Passed; 99 Failed; 3 Inconclusive; 130 aborted; 2 usage, or there is no result.

    Example: slipstream report out.json --html out.html --junit out.xml
    """
    files = Files(html=html, junit=junit, prometheus=prometheus)
    check(files)
    found = _load(place, Cluster(namespace, context))
    write(found, files)
    if as_json:
        out.out(document(found), end="")
    else:
        show(found)
    raise typer.Exit(int(exit_code(found)))


def compare(
    baseline: Place,
    candidate: Place,
    namespace: Namespace = "",
    context: Context = "",
) -> None:
    """Compares two stored results of the same load: the first is the baseline. Refuses those of different loads and says what differs.

    Exit codes: 0 nothing got worse; 99 something did; 3 it can't be told, e.g. of too few repeats; 2 usage, or unlike loads.

    Example: slipstream compare loadtest/memory/3 loadtest/memory/4
    """
    cluster = Cluster(namespace, context)
    before, after = _load(baseline, cluster), _load(candidate, cluster)
    try:
        rows = against(after, before)
    except Unlike as error:
        fail(f"{baseline} and {candidate}: {error}")
    shown = comparison_table(rows, f"{after.name}: run {before.run[:12]} against {after.run[:12]}")
    out.print(table(shown.title, shown.columns, list(shown.rows)))
    results = {row.result for row in rows}
    code = Exit.THRESHOLDS_FAILED if "Regressed" in results else Exit.INCONCLUSIVE if "Inconclusive" in results or not rows else Exit.OK
    raise typer.Exit(int(code))


def show(found: Report) -> None:
    """The tables of a report."""
    for one in as_text(found):
        title = f"{found.name}: {one.title}" if one.title == found.result else one.title
        out.print(table(escape(title), one.columns, list(one.rows)))


def exit_code(found: Report) -> Exit:
    """What a result means for a pipeline."""
    if any(reason.code == "Aborted" for reason in found.reasons):
        return Exit.ABORTED
    return {"Passed": Exit.OK, "Failed": Exit.THRESHOLDS_FAILED}.get(found.result, Exit.INCONCLUSIVE)


def _load(place: str, cluster: Cluster) -> Report:
    try:
        return load_report(place, cluster)
    except NotFound as error:
        fail(str(error))
