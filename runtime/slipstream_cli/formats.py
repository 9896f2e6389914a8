"""Writes a report as the files that were asked for, each whole or not at all. Decides nothing of what is in them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from slipstream_cli.console import Exit, fail
from slipstream_loadtest.report.bounded import plain
from slipstream_loadtest.report.html.page import as_html
from slipstream_loadtest.report.junit import as_junit
from slipstream_loadtest.report.model import Report
from slipstream_loadtest.report.prometheus import as_prometheus


@dataclass(frozen=True, slots=True)
class Files:
    """Where each format goes; None: nobody wants it."""

    report: Path | None = None
    html: Path | None = None
    junit: Path | None = None
    prometheus: Path | None = None

    def wanted(self) -> Iterator[tuple[str, Path, Callable[[Report], str]]]:
        """Option, file and writer of each."""
        writers = {"report": document, "html": as_html, "junit": as_junit, "prometheus": as_prometheus}
        for name, writer in writers.items():
            file = getattr(self, name)
            if file is not None:
                yield f"--{name}", file, writer


def document(report: Report) -> str:
    """The whole JSON document."""
    return json.dumps(plain(report), indent=1) + "\n"


def check(files: Files) -> None:
    """Before the run, not after it: fails where a folder isn't there."""
    for option, file, _ in files.wanted():
        if not file.parent.is_dir():
            fail(f"{option} {file}: there is no folder {file.parent}: make it first")


def write(report: Report, files: Files) -> None:
    """All of them; who reads one while it is written sees the old one (a textfile collector reads at any time)."""
    for option, file, writer in files.wanted():
        beside = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            beside.write_text(writer(report), encoding="utf-8")
            beside.replace(file)
        except OSError as error:
            beside.unlink(missing_ok=True)
            fail(f"{option} {file}: {error.strerror}", Exit.PROBLEMS)
