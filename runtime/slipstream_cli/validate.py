"""`slipstream validate`: what the API server and the compiler would say, without either."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from slipstream_api.compile import Finding
from slipstream_api.load import Loaded
from slipstream_api.models import ConnectionPoolSpec
from slipstream_cli.console import Exit, escape, fail, out, warn
from slipstream_cli.sources import Source, SourceError, compile_source, findings_of, load


def validate(
    files: Annotated[list[Path], typer.Option("-f", "--filename", help="File or folder; may be given several times.")],
    output: Annotated[str, typer.Option("-o", "--output", help="text or json")] = "text",
) -> None:
    """Checks files as `kubectl apply` and the operator would, without a cluster.

    Prints each problem as FILE:LINE: PATH: MESSAGE and exits 1 when there is one.

    Example: slipstream validate -f manifests/samples
    """
    if output not in ("text", "json"):
        fail(f"-o {output}: write text or json")
    try:
        loaded = load(Source(tuple(files)))
    except SourceError as error:
        fail(str(error))
    findings = all_findings(loaded)
    (_as_json if output == "json" else _as_text)(loaded, findings)
    raise typer.Exit(int(Exit.PROBLEMS if loaded.problems else Exit.OK))


def all_findings(loaded: Loaded) -> tuple[Finding, ...]:
    """What compiling says, for every workload that the files name, namespace by namespace."""
    workloads = sorted({(r.namespace, w) for r in loaded.resources if isinstance(r.spec, ConnectionPoolSpec) for w in r.spec.workloads})
    found: set[Finding] = set()
    for namespace, workload in workloads:
        found |= set(findings_of(loaded, compile_source(Source((), workload, namespace), loaded)))
    return tuple(sorted(found, key=lambda f: (f.kind, f.name, f.type, f.rule or "")))


def _as_text(loaded: Loaded, findings: tuple[Finding, ...]) -> None:
    for problem in loaded.problems:
        out.print(f"[red]{escape(str(problem))}[/red]")
    for found in findings:
        warn(f"{found.kind} {found.name}: {found.message}")
    for line in loaded.ignored:
        out.print(f"{escape(line)}: not of slipstream.dev, left out")
    verdict = f"{len(loaded.problems)} problems" if loaded.problems else "no problems"
    out.print(f"{len(loaded.files)} files, {len(loaded.resources)} resources, {verdict}")


def _as_json(loaded: Loaded, findings: tuple[Finding, ...]) -> None:
    document = {
        "problems": [{"file": p.file, "line": p.line, "path": p.path, "message": p.message} for p in loaded.problems],
        "findings": [asdict(found) for found in findings],
        "resources": [{"kind": r.kind, "name": r.name} for r in loaded.resources],
        "ignored": list(loaded.ignored),
    }
    out.print_json(json.dumps(document))
