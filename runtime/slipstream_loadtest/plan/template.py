"""`${user}`, `${session}`, `${iteration}`, `${list}` and `${table.column}` in paths, headers, bodies and expectations. Pure.

A value is written as its place demands: percent-encoded in a path, escaped in a JSON body, as it is elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

BUILT_IN: Final = ("user", "session", "iteration")
_SLOT: Final = re.compile(r"\$\$|\$\{([^{}]*)\}|\$\{")

Encoding = Callable[[str], bytes]


class TemplateError(ValueError):
    """A template that can't be filled; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a value."""

    name: str


def parse(text: str, names: Collection[str]) -> tuple[str | Slot, ...]:
    """Texts and slots in turn; `$$` is a dollar sign. `names`: known besides the built-in ones. Raises TemplateError for others."""
    pieces: list[str | Slot] = []
    end = 0
    for found in _SLOT.finditer(text):
        pieces.append(text[end : found.start()])
        end = found.end()
        if found.group() == "$$":
            pieces.append("$")
        elif found.group() == "${":
            raise TemplateError(f"{text[found.start() :][:40]!r} has no closing brace (write $$ for a dollar sign)")
        else:
            pieces.append(_slot(found.group(1), names))
    pieces.append(text[end:])
    return tuple(piece for piece in pieces if piece)


def _slot(name: str, names: Collection[str]) -> Slot:
    if name not in BUILT_IN and name not in names:
        known = ", ".join(f"${{{n}}}" for n in (*BUILT_IN, *sorted(names)))
        raise TemplateError(f"${{{name}}} is unknown: there are {known}")
    return Slot(name)


def in_path(value: str) -> bytes:
    return quote(value, safe="").encode()


def in_json(value: str) -> bytes:
    return json.dumps(value, ensure_ascii=False)[1:-1].encode()


def as_is(value: str) -> bytes:
    return value.encode()


def in_header(value: str) -> bytes:
    """Header values are Latin-1 in practice; control characters would end the header."""
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise TemplateError(f"{value!r} has a control character and can't go into a header")
    return value.encode()
