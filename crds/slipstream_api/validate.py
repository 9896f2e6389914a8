"""Validates a resource as the API server does on `kubectl apply`: same verdict, same field paths. Pure; raises nothing about the input.

In the server's order: metadata that can't be decoded, unknown fields (each alone, when there are any), `status` dropped, nulls pruned,
defaults filled, metadata, the structural schema, duplicates in lists, and then the rules, unless an error of the schema keeps CEL from
being run. Source: apiextensions-apiserver, customresource strategy; e2e/corpus holds both against each other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipstream_api import metadata
from slipstream_api.rules import rules_at
from slipstream_api.schema import GROUP, KINDS, VERSION, Schema, schema_of

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {"object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,)}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong. `path` like the server's `spec.rules[0].ttl`, empty for the whole resource."""

    path: str
    message: str
    blocking: bool = False  # CEL isn't run where the schema has such an error


def validate(resource: Any) -> tuple[Problem, ...]:
    """Everything that the API server would refuse in a resource, sorted by path; empty when it takes it."""
    if not isinstance(resource, dict):
        return (Problem("", "a resource is a mapping with apiVersion, kind, metadata and spec"),)
    if wrong := _kind_problems(resource):
        return wrong
    kind = resource["kind"]
    schema = schema_of(kind)
    meta = resource.get("metadata")
    for found in (_problems(metadata.unreadable(meta)), [*_unknown(resource, schema, ""), *_problems(metadata.unknown(meta or {}))]):
        if found:
            return tuple(sorted(found))
    value = prepare({name: part for name, part in resource.items() if name != "status"}, schema)
    problems = _problems(metadata.wrong(meta or {}))
    problems += [*_structural(value, schema, ""), *_duplicates(value, schema, "")]
    if not any(problem.blocking for problem in problems):
        known = {problem.path for problem in problems}  # a rule about a value that is wrong already has nothing to add
        problems += (problem for problem in _rules(value, schema, kind, "", "") if problem.path not in known)
    return tuple(sorted(set(problems)))


def _problems(found: Iterable[metadata.Finding]) -> list[Problem]:
    return [Problem(path, message, blocking=path == "metadata.name" and message == "is required") for path, message in found]


def _kind_problems(resource: dict[str, Any]) -> tuple[Problem, ...]:
    if resource.get("apiVersion") != f"{GROUP}/{VERSION}":
        return (Problem("apiVersion", f"is {resource.get('apiVersion')!r}: write {GROUP}/{VERSION}"),)
    if resource.get("kind") not in KINDS:
        return (Problem("kind", f"is {resource.get('kind')!r}: known are {', '.join(KINDS)}"),)
    return ()


def prepare(value: Any, schema: Schema) -> Any:
    """`value` with nulls pruned and defaults filled in, as the server stores it."""
    if isinstance(value, dict):
        known = schema.get("properties", {})
        inner = schema.get("additionalProperties") or {}
        kept = {name: prepare(item, known.get(name, inner)) for name, item in value.items() if item is not None}
        for name, part in known.items():
            if name not in kept and "default" in part:
                kept[name] = prepare(part["default"], part)
        return kept
    if isinstance(value, list):
        return [prepare(item, schema.get("items", {})) for item in value]
    return value


def _unknown(value: Any, schema: Schema, path: str) -> Iterator[Problem]:
    """Fields that the schema doesn't know; a mapping where none belongs has only such."""
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, item in value.items():
            here = _join(path, name)
            if name not in known and others is None:
                yield Problem(here, _no_such_field(name, known))
            elif here != "metadata":  # the server has a schema of its own for that
                yield from _unknown(item, known.get(name, others), here)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(item, schema.get("items", {}), f"{path}[{index}]")


def _no_such_field(name: str, known: Mapping[str, Any]) -> str:
    close = [word for word in known if word.lower() == name.lower().replace("_", "")]
    if close:
        return f"there is no such field: did you mean {close[0]}?"
    return f"there is no such field: known are {', '.join(sorted(known))}" if known else "a mapping doesn't belong here"


def _structural(value: Any, schema: Schema, path: str) -> Iterator[Problem]:
    if schema.get("x-kubernetes-int-or-string"):
        yield from _int_or_string(value, schema, path)
        return
    type_ = str(schema.get("type", ""))
    if type_ == "integer":
        yield from _integer(value, schema, path)
    elif type_ in _TYPES and not isinstance(value, _TYPES[type_]):
        yield Problem(path, f"must be {_a(type_)}, not {_a(_type_of(value))}", blocking=True)
    elif type_ == "string":
        yield from _text(value, schema, path)
    elif type_ == "object":
        yield from _object(value, schema, path)
    elif type_ == "array":
        yield from _items(value, schema, path)


def _int_or_string(value: Any, schema: Schema, path: str) -> Iterator[Problem]:
    if isinstance(value, str):
        yield from _text(value, schema, path)
    elif isinstance(value, bool) or not isinstance(value, int):
        yield Problem(path, f"must be a whole number or a text, not {_a(_type_of(value))}", blocking=True)


def _integer(value: Any, schema: Schema, path: str) -> Iterator[Problem]:
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        yield Problem(path, f"must be a whole number, not {_a(_type_of(value))}", blocking=True)
        return
    if value < schema.get("minimum", value):
        yield Problem(path, f"must be at least {schema['minimum']}, is {value}")
    if value > schema.get("maximum", value):
        yield Problem(path, f"must be at most {schema['maximum']}, is {value}")


def _text(value: str, schema: Schema, path: str) -> Iterator[Problem]:
    if "enum" in schema and value not in schema["enum"]:
        yield Problem(path, f"must be one of {', '.join(schema['enum'])}, is {value!r}", blocking=True)
    if len(value) > schema.get("maxLength", len(value)):
        yield Problem(path, f"must have at most {schema['maxLength']} characters", blocking=True)
    if len(value) < schema.get("minLength", 0):
        yield Problem(path, f"must have at least {schema['minLength']} characters")
    if "pattern" in schema and not _matches(schema["pattern"], value):
        yield Problem(path, f"{value!r} doesn't match {schema['pattern']}{_hint(schema['pattern'])}")


def _matches(pattern: str, value: str) -> bool:
    """Go's `$` is the end of the text, Python's also stands before a last newline; Go's classes are of ASCII."""
    return re.search(re.sub(r"\$(?=\)|$)", r"\\Z", pattern), value, re.ASCII) is not None


def _hint(pattern: str) -> str:
    if "(h|m|s|ms)" in pattern:
        return ": write a duration like 250ms, 30s, 5m or 1h30m"
    return ": write a size like 512Ki or 64Mi" if "Ki|Mi" in pattern else ""


def _object(value: dict[str, Any], schema: Schema, path: str) -> Iterator[Problem]:
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield Problem(_join(path, name), "is required", blocking=True)
    if len(value) > schema.get("maxProperties", len(value)):
        yield Problem(path, f"must have at most {schema['maxProperties']} entries", blocking=True)
    for name, item in value.items():
        if name in known:
            yield from _structural(item, known[name], _join(path, name))
        elif isinstance(schema.get("additionalProperties"), dict):
            yield from _structural(item, schema["additionalProperties"], _join(path, name))


def _items(value: list[Any], schema: Schema, path: str) -> Iterator[Problem]:
    if len(value) > schema.get("maxItems", len(value)):
        yield Problem(path, f"must have at most {schema['maxItems']} items, has {len(value)}", blocking=True)
    if len(value) < schema.get("minItems", 0):
        yield Problem(path, f"must have at least {schema['minItems']} items")
    for index, item in enumerate(value):
        yield from _structural(item, schema.get("items", {}), f"{path}[{index}]")


def _duplicates(value: Any, schema: Schema, path: str) -> Iterator[Problem]:
    """Items that a list of type set or map has twice."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _duplicates(item, schema.get("properties", {}).get(name, {}), _join(path, name))
    elif isinstance(value, list):
        comparable = schema.get("x-kubernetes-list-type") != "map" or all(isinstance(item, dict) for item in value)
        seen: list[str] = []
        for index, item in enumerate(value):
            identity = _identity(item, schema) if comparable else None
            if identity is not None and seen.count(identity) == 1:  # the server names the second of several, and no further one
                yield Problem(f"{path}[{index}]", "is there twice: remove it")
            seen.append(identity or "")
            yield from _duplicates(item, schema.get("items", {}), f"{path}[{index}]")


def _identity(item: Any, schema: Schema) -> str | None:
    """As text, since to Python 1 and true are equal."""
    kind = schema.get("x-kubernetes-list-type")
    if kind == "set":
        return json.dumps(item, sort_keys=True)
    if kind == "map":
        return json.dumps([item.get(key) for key in schema["x-kubernetes-list-map-keys"]], sort_keys=True)
    return None


def _rules(value: Any, schema: Schema, kind: str, path: str, at: str) -> Iterator[Problem]:
    """What the rules say of a value and of everything in it. `path` has indexes, `at` has none."""
    for rule in rules_at(kind, at):
        try:
            holds = rule.holds(value)
        except ValueError:  # what CEL reports as an error of the evaluation, at the same place
            holds = False
        if not holds:
            yield Problem(path, rule.message)
    if isinstance(value, dict):
        for name, part in schema.get("properties", {}).items():
            if name in value:
                yield from _rules(value[name], part, kind, _join(path, name), _join(at, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _rules(item, schema.get("items", {}), kind, f"{path}[{index}]", f"{at}[]")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _type_of(value: Any) -> str:
    names: dict[type, str] = {bool: "boolean", int: "number", float: "number", str: "text", dict: "mapping", list: "list"}
    return names.get(type(value), "null")


def _a(word: str) -> str:
    plain = {"object": "mapping", "array": "list", "string": "text"}.get(word, word)
    return f"a {plain}"
