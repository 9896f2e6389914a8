"""The small pieces that sections are made of: tables, marks, lists. Pure; every text that comes in is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from slipstream_loadtest.report.escape import esc

_MARKS: Final = {
    "Passed": ("good", "✓"),
    "Improved": ("good", "✓"),
    "Caught": ("good", "✓"),
    "Failed": ("bad", "✗"),
    "Regressed": ("bad", "✗"),
    "Missed": ("bad", "✗"),
}
_WORDS: Final = {"NoData": "No data", "LowerBound": "Lower bound only", "NoChange": "No change", "NotRun": "Not run"}
_PLAIN: Final = frozenset({"NoChange"})


@dataclass(frozen=True, slots=True)
class Html:
    """Text that is markup already: made here or in svg.py, never what came from outside."""

    text: str


Cell = str | int | Html


def mark(result: str) -> Html:
    """A result as a sign and a word; colour only repeats them."""
    word = esc(_WORDS.get(result, result))
    if result in _PLAIN:
        return Html(f"= {word}")
    style, sign = _MARKS.get(result, ("doubt", "?"))
    return Html(f'<span class="{style}">{sign} {word}</span>')


def with_message(result: str, message: str) -> Html:
    return Html(mark(result).text + (f'<br><span class="note">{esc(message)}</span>' if message else ""))


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], words: frozenset[int] = frozenset()) -> str:
    """The first cell of a row is its heading; `words`: columns that hold text, the others are figures. Scrolls by itself where it is
    wider than the page."""
    head = "".join(f'<th scope="col"{_aligned(at, words)}>{esc(column)}</th>' for at, column in enumerate(columns))
    body = "".join(
        f'<tr><th scope="row">{_cell(row[0])}</th>{"".join(_data(at, cell, words) for at, cell in enumerate(row) if at)}</tr>'
        for row in rows
    )
    label = esc(caption)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{label}"><table><caption>{label}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def drawn_rows(rows: Iterable[tuple[str, Cell, Html]], axis: str = "") -> str:
    """A name, what is said of it, and a drawing beside it, below it on a phone; the figures belong into a table beside them."""
    made = "".join(f"<li><b>{esc(name)}</b><span>{_cell(said)}</span>{drawing.text}</li>" for name, said, drawing in rows)
    note = f'<p class="note">{esc(axis)}</p>' if axis else ""
    return f'{note}<ul class="drawn">{made}</ul>'


def folded(summary: str, content: str) -> str:
    return f"<details><summary>{esc(summary)}</summary>{content}</details>"


def section(heading: str, *content: str, intro: str = "") -> str:
    """Nothing at all where there is no content."""
    body = "".join(content)
    note = f"<p>{esc(intro)}</p>" if intro else ""
    return f"<section><h2>{esc(heading)}</h2>{note}{body}</section>" if body else ""


def figure(title: str, note: str, chart: str, data: str) -> str:
    """A chart with the table behind it."""
    heading = (f"<b>{esc(title)}</b>" if title else "") + (f"<span>{esc(note)}</span>" if note else "")
    caption = f"<figcaption>{heading}</figcaption>" if heading else ""
    return f"<figure>{caption}{chart}{folded('The figures as a table', data)}</figure>"


def bullets(items: Iterable[str]) -> str:
    made = "".join(f"<li>{esc(item)}</li>" for item in items)
    return f'<ul class="plain">{made}</ul>' if made else ""


def _data(at: int, cell: Cell, words: frozenset[int]) -> str:
    kind = ("w" if isinstance(cell, Html) else "t") if at in words else "n"
    return f'<td class="{kind}">{_cell(cell)}</td>'


def _aligned(at: int, words: frozenset[int]) -> str:
    return "" if at == 0 or at in words else ' class="n"'


def _cell(cell: Cell) -> str:
    return cell.text if isinstance(cell, Html) else esc(cell)
