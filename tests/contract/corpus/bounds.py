"""For each constraint of each field of a spec: a document just within it and one just beyond. Made from the CRDs, so none is forgotten.

Judges nothing. A document that is just within one constraint may break a rule over several fields: what counts is the field's own path.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from slipstream_api.schema import KINDS, schema_of
from tests.contract.corpus.mutations import bases

Path = tuple[str | int, ...]
MISSING = object()


@dataclass(frozen=True)
class Bound:
    """`document` sets the field at `path` to a value within the constraint `sort`, or beyond it."""

    kind: str
    path: str
    sort: str
    beyond: bool
    document: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.kind}-{self.path}-{self.sort}-{'beyond' if self.beyond else 'within'}"


def bounds() -> tuple[Bound, ...]:
    """All of them; raises LookupError for a field that no good document of the corpus has."""
    return tuple(bound for kind, good in bases().items() if kind in KINDS for bound in _of(kind, good))


def _of(kind: str, good: list[dict[str, Any]]) -> Iterator[Bound]:
    for schema, field in _fields(schema_of(kind)["properties"]["spec"], ("spec",)):
        document, place = _with_field(good, field)
        for sort, value, beyond in _values(schema, _at(document, place)):
            changed = copy.deepcopy(document)
            _put(changed, place, value)
            yield Bound(kind, _text(place), sort, beyond, changed)


def _fields(schema: dict[str, Any], path: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """Schemas below one, with their paths; -1 stands for any item. `required` of an object is told to its members."""
    for name, part in schema.get("properties", {}).items():
        yield part | {"required-here": name in schema.get("required", ())}, (*path, name)
        yield from _fields(part, (*path, name))
    if "items" in schema:
        yield schema["items"], (*path, -1)
        yield from _fields(schema["items"], (*path, -1))


def _with_field(good: list[dict[str, Any]], field: Path) -> tuple[dict[str, Any], Path]:
    for document in good:
        if (place := _find(document, field)) is not None:
            return document, place
    raise LookupError(f"no good document of the corpus has {_text(field)}: add one")


def _find(value: Any, field: Path) -> Path | None:
    """The place of the first value at a field."""
    if not field:
        return ()
    step, rest = field[0], field[1:]
    options = range(len(value)) if step == -1 and isinstance(value, list) else [step]
    for option in options:
        if (isinstance(value, dict) and option in value) or isinstance(option, int):
            found = _find(value[option], rest)
            if found is not None:
                return (option, *found)
    return None


def _values(schema: dict[str, Any], now: Any) -> Iterator[tuple[str, Any, bool]]:
    """(constraint, value, whether it is beyond)."""
    if "minimum" in schema:
        yield from (("minimum", schema["minimum"], False), ("minimum", schema["minimum"] - 1, True))
    if "maximum" in schema:
        yield from (("maximum", schema["maximum"], False), ("maximum", schema["maximum"] + 1, True))
    if "enum" in schema:
        yield from (("enum", value, False) for value in schema["enum"])
        yield ("enum", "Unknown", True)
    if "maxLength" in schema:
        yield ("maxLength", "a" * (schema["maxLength"] + 1), True)
    if "minLength" in schema:
        yield ("minLength", "", True)
    if "pattern" in schema:
        yield ("pattern", "\u00e9 \n", True)
    if "maxItems" in schema:
        yield ("maxItems", [now[0]] * (schema["maxItems"] + 1), True)
    if "minItems" in schema:
        yield ("minItems", [], True)
    if schema.get("required-here"):
        yield from (("required", MISSING, True), ("required", None, True))
    yield ("type", 5 if schema.get("type") in ("string", "object", "array", "boolean") else True, True)


def _at(document: Any, place: Path) -> Any:
    for step in place:
        document = document[step]
    return document


def _put(document: dict[str, Any], place: Path, value: Any) -> None:
    parent = _at(document, place[:-1])
    if value is MISSING:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value


def _text(place: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)[1:]
