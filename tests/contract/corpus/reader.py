"""Reads the corpus: good and bad resources with what is refused of each. Writes and judges nothing.

A case is a base document with edits whose values are YAML text, kept as written: `8080.0` or `yes` reach the reader of YAML as such.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
REF = {"group": "slipstream.dev", "kind": "ConnectionPool", "name": "memory"}
BASES: dict[str, Any] = {
    "ConnectionPool": {"workloads": ["agent"], "upstream": {"protocol": "HTTP", "host": "memory-server", "port": 8080}},
    "CachePolicy": {"targetRefs": [REF], "rules": [{"name": "recall", "match": {"http": {"path": "/episodic/recall"}}, "ttl": "5m"}]},
    "CircuitBreaker": {"targetRefs": [REF], "rules": [{"name": "default", "match": {}}]},
    "LoadTest": {
        "target": {"poolRef": {"name": "memory"}},
        "stages": [{"name": "c10", "users": 10, "duration": "30s"}],
        "scenarios": [{"name": "recall", "steps": [{"name": "recall", "http": {"path": "/episodic/recall"}}]}],
    },
}


UNREADABLE = object()  # of a scalar that kubectl can't read


class Raw(str):
    """YAML text that is rendered as it is."""

    __slots__ = ()


@dataclass(frozen=True)
class Case:
    """One document. `refused`: the field paths that the API server refuses, empty when it takes the document."""

    kind: str
    name: str
    text: str
    refused: frozenset[str]

    @property
    def id(self) -> str:
        return f"{self.kind}-{self.name}"


def cases() -> tuple[Case, ...]:
    """The whole corpus."""
    return tuple(case for kind in BASES for case in _read(kind))


def _read(kind: str) -> Iterator[Case]:
    for line in (FOLDER / f"{kind}.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            rest, refused = line.rsplit("|", 1)
            name, edits = (part.strip() for part in rest.split("|", 1))
            yield Case(kind, name, _document(kind, edits), _paths(refused))


def _paths(text: str) -> frozenset[str]:
    """Paths joined by commas; `.` is the whole document."""
    return frozenset("" if path.strip() == "." else path.strip() for path in text.split(",") if path.strip())


def _document(kind: str, edits: str) -> str:
    document = {
        "apiVersion": "slipstream.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "memory"},
        "spec": json.loads(json.dumps(BASES[kind])),
    }
    for edit in filter(None, (part.strip() for part in edits.split(" ; "))):
        if edit.startswith("-"):
            parent, last = _walk(document, edit[1:])
            del parent[last]
        else:
            path, text = edit.split(" = ", 1)
            parent, last = _walk(document, path)
            parent[last] = Raw(text)
    return _flow(document) + "\n"


def _walk(document: Any, path: str) -> tuple[Any, Any]:
    steps: list[Any] = [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]
    for step in steps[:-1]:
        document = document.setdefault(step, {}) if isinstance(document, dict) else document[step]
    return document, steps[-1]


def _flow(value: Any) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value)


def scalars() -> tuple[tuple[str, Any], ...]:
    """(what is written, what kubectl reads); `error` where it can't read it. Whole numbers beyond 64 bits travel as floats."""
    found = []
    for line in (FOLDER / "scalars.txt").read_text().splitlines():
        if not line.startswith("#"):
            text, read = line.split(" => ", 1)
            found.append((text, UNREADABLE if read == "error" else json.loads(read)))
    return tuple(found)
