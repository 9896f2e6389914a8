"""Reads YAML as kubectl does: its scalars, its documents, its merges. Pure: text in, documents with line numbers out.

Stricter than kubectl about keys: one that is there twice is an error with its line (kubectl drops all but the last before the API server,
which would refuse it, can see it), and so is a fraction as a key. Scalars: see yamlscalars.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from slipstream_api.yamlscalars import is_null, resolve

MAX_NODES: Final = 200_000  # aliases of aliases grow exponentially; no resource has as many values


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


class _Loader(yaml.SafeLoader):
    """Resolves nothing by itself: a scalar's tag is `plain`, `text` or the one that is written."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return "plain" if implicit[0] else "text"
        return "collection"


def read_documents(text: str) -> tuple[Document, ...]:
    """The documents of a file, empty ones left out; raises YamlError with a line."""
    try:
        nodes = list(yaml.compose_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise YamlError(f"not YAML: {error.problem}", mark.line + 1 if mark else 1) from None
    except yaml.YAMLError as error:
        raise YamlError(f"not YAML: {error}", 1) from None
    except RecursionError:
        raise YamlError("nested too deeply", 1) from None
    return tuple(_Reader().document(node) for node in nodes if not _is_empty(node))


def _is_empty(node: yaml.Node | None) -> bool:
    return node is None or (isinstance(node, yaml.ScalarNode) and node.tag == "plain" and is_null(node.value))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


class _Reader:
    """Turns the nodes of one document into values; keeps the line of each path."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self._open: set[int] = set()  # nodes that are being read: one of them again is a value that contains itself
        self._left = MAX_NODES

    def document(self, node: yaml.Node) -> Document:
        return Document(self._value(node, ""), _line(node), self.lines)

    def _value(self, node: yaml.Node, path: str) -> Any:
        self._left -= 1
        if self._left < 0:
            raise YamlError(f"more than {MAX_NODES} values: aliases of aliases?", _line(node))
        self.lines[path] = _line(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            raise YamlError("a value contains itself", _line(node))
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self._value(item, f"{path}[{index}]") for index, item in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        try:
            return resolve(node.value, node.tag)
        except ValueError as error:
            raise YamlError(str(error), _line(node)) from None

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        own: set[str] = set()
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                for merged in _merged(value_node):
                    found.update(self._value(merged, path))
                continue
            key = self._key(key_node)
            if key in own:
                raise YamlError(f"the key {key!r} is there twice: remove one", _line(key_node))
            own.add(key)
            here = f"{path}.{key}" if path else key
            found[key] = self._value(value_node, here)
            self.lines[here] = _line(key_node)
        self.lines[path] = _line(node)
        return found

    def _key(self, node: yaml.Node) -> str:
        """Keys become texts, as JSON wants them: `8080:` is "8080", `yes:` is "true"."""
        value = self._scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, str | int):
            raise YamlError("a key must be a text: put it in quotes", _line(node))
        return str(value)


def _is_merge(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "<<" and node.tag in ("plain", "tag:yaml.org,2002:merge")


def _merged(node: yaml.Node) -> Iterator[yaml.MappingNode]:
    """Mappings of a merge key (`<<`), the one that is to win last; kubectl merges where the key stands, over what came before it."""
    for merged in reversed(node.value) if isinstance(node, yaml.SequenceNode) else [node]:
        if not isinstance(merged, yaml.MappingNode):
            raise YamlError("<< merges mappings only", _line(node))
        yield merged
