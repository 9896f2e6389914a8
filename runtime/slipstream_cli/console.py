"""What a person sees: one way to print, one way to fail. Decides nothing."""

from __future__ import annotations

import enum
import sys
from typing import NoReturn

import typer
from rich import box
from rich.console import Console
from rich.table import Table

WIDTH_OF_A_FILE = 160  # where nobody looks at a terminal, nothing needs to be folded

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Exit(enum.IntEnum):
    """Exit codes of every command. 99 is k6's code for thresholds that were not met."""

    OK = 0
    PROBLEMS = 1
    USAGE = 2
    INCONCLUSIVE = 3
    THRESHOLDS_FAILED = 99
    ABORTED = 130


def fail(message: str, code: Exit = Exit.USAGE) -> NoReturn:
    """Says what is wrong and what to change, and ends with `code`."""
    err.print(f"[red]error:[/red] {escape(message)}")
    raise typer.Exit(int(code))


def warn(message: str) -> None:
    err.print(f"[yellow]warning:[/yellow] {escape(message)}")


def escape(text: str) -> str:
    """Text whose brackets are no markup."""
    return text.replace("[", r"\[")


def table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    """A table whose cells are plain text; too narrow a terminal folds them and hides nothing."""
    made = Table(title=title or None, title_style="bold", title_justify="left", header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(escape(cell) for cell in row))
    return made
