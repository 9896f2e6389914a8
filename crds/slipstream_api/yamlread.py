"""Reads YAML as kubectl does: its scalars, its duplicate keys, its documents. Pure: text in, documents with line numbers out.

kubectl (sigs.k8s.io/yaml over go-yaml) reads `y` and `off` as booleans, `1e3` and `0o10` as numbers, `1:30` and dates as texts, and refuses
a key that is there twice. PyYAML's own resolver differs on all of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

_BOOLEANS: Final = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
}
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER: Final = re.compile(r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class YamlError(Exception):
    """Text that isn't the YAML of a resource. `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its value, where it begins, and the line of each path (`spec.rules[0].ttl`)."""

    value: Any
    line: int
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int:
        """Line of a path, or of the nearest part above it that is there."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, self.line)


def read_documents(text: str) -> tuple[Document, ...]:
    """The documents of a file, empty ones left out; raises YamlError with a line."""
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise YamlError(f"not YAML: {error.problem}", mark.line + 1 if mark else 1) from None
    except yaml.YAMLError as error:
        raise YamlError(f"not YAML: {error}", 1) from None
    return tuple(_document(node) for node in nodes if not _is_null(node))


def _document(node: yaml.Node) -> Document:
    lines: dict[str, int] = {}
    return Document(_construct(node, "", lines), node.start_mark.line + 1, lines)


def _construct(node: yaml.Node, path: str, lines: dict[str, int]) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, f"{path}[{index}]", lines) for index, item in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode)
    return scalar(node.value, plain=_is_plain(node))


def _is_plain(node: yaml.ScalarNode) -> bool:
    """Neither quoted, nor a block, nor tagged (`!!str 12` is a text)."""
    return node.style is None and not _has_tag(node)


def _has_tag(node: yaml.ScalarNode) -> bool:
    mark = node.start_mark
    return bool(mark.buffer and mark.buffer[mark.pointer : mark.pointer + 2] == "!!")


def _mapping(node: yaml.MappingNode, path: str, lines: dict[str, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in _pairs(node):
        if not isinstance(key_node, yaml.ScalarNode):
            raise YamlError("a key must be a text", key_node.start_mark.line + 1)
        key = _key(key_node)
        if key in found:
            raise YamlError(f"the key {key!r} is there twice", key_node.start_mark.line + 1)
        found[key] = _construct(value_node, f"{path}.{key}" if path else key, lines)
        lines[f"{path}.{key}" if path else key] = key_node.start_mark.line + 1
    return found


def _pairs(node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Pairs of a mapping; those of a merge key (`<<`) come after its own and don't override them."""
    own = [(key, value) for key, value in node.value if key.value != "<<"]
    names = {key.value for key, _ in own if isinstance(key, yaml.ScalarNode)}
    yield from own
    for key, value in node.value:
        if key.value == "<<":
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(merged, yaml.MappingNode):
                    raise YamlError("<< merges mappings only", value.start_mark.line + 1)
                for inner_key, inner_value in _pairs(merged):
                    if inner_key.value not in names:
                        names.add(inner_key.value)
                        yield inner_key, inner_value


def _key(node: yaml.ScalarNode) -> str:
    """Keys become texts, as JSON wants them: `8080:` is "8080", `yes:` is "true"."""
    value = scalar(node.value, plain=_is_plain(node))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.value in _NULLS


def scalar(text: str, plain: bool) -> Any:
    """What kubectl makes of one scalar; a quoted or block scalar is a text."""
    if not plain:
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1).lower())
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return _number(text)
    return text


def _integer(text: str) -> Any:
    digits = text.replace("_", "")
    body = digits.lstrip("+-")
    try:
        if body.startswith(("0x", "0b", "0o")):
            return int(digits, 0)
        if len(body) > 1 and body.startswith("0"):
            return int(digits, 8) if set(body) <= set("01234567") else _number(digits)
        return int(digits)
    except ValueError:
        return text


def _number(text: str) -> int | float:
    """Numbers travel as JSON, where `8080.0` and `1e3` are whole numbers."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
