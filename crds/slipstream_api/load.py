"""Reads resources from files and folders for the command: what is there, and what is wrong with it, with file and line. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slipstream_api.models import SPECS
from slipstream_api.resources import Resource
from slipstream_api.schema import GROUP, schema_of
from slipstream_api.validate import prepare, validate
from slipstream_api.yamlread import Document, YamlError, read_documents

SUFFIXES = (".yaml", ".yml")
DEFAULT_NAMESPACE = "default"  # of resources that name none, as kubectl's


@dataclass(frozen=True, slots=True, order=True)
class Located:
    """A problem and where it is."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path + ': ' if self.path else ''}{self.message}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What files hold. `ignored`: documents of other kinds, as `file:line: Kind name`; `config_maps`: (namespace, name, key) → text of
    those among them that are ConfigMaps, since load tests take data from them."""

    resources: tuple[Resource, ...] = ()
    problems: tuple[Located, ...] = ()
    ignored: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    origins: dict[tuple[str, str, str], str] = field(default_factory=dict)  # (kind, namespace, name) → file:line
    config_maps: dict[tuple[str, str, str], str] = field(default_factory=dict)


def load_paths(paths: Iterable[Path], namespace: str = DEFAULT_NAMESPACE) -> Loaded:
    """Every resource in these files and folders (not below), in the order of the file names."""
    files = list(_files(paths))
    shelf = _Shelf(namespace)
    for file in files:
        for document in shelf.documents(file):
            for prefix, value in _flat(document.value):
                shelf.take(value, _Place(str(file), document, prefix))
    problems = tuple(sorted(shelf.problems))
    return Loaded(tuple(shelf.resources), problems, tuple(shelf.ignored), tuple(map(str, files)), shelf.origins, shelf.config_maps)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(child for child in path.iterdir() if child.suffix in SUFFIXES and child.is_file())
        else:
            yield path


def _flat(value: Any) -> list[tuple[str, Any]]:
    """The items of a `kind: List` with their paths in it, or the value itself."""
    if isinstance(value, dict) and value.get("kind") == "List" and isinstance(value.get("items"), list):
        return [(f"items[{index}]", item) for index, item in enumerate(value["items"])]
    return [("", value)]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a resource stands: `prefix` is its path in the document."""

    file: str
    document: Document
    prefix: str

    def line(self, path: str = "") -> int:
        return self.document.line_of(".".join(filter(None, (self.prefix, path)))) if self.prefix or path else self.document.line

    def __str__(self) -> str:
        return f"{self.file}:{self.line()}"


@dataclass(slots=True)
class _Shelf:
    """What has been read so far."""

    namespace: str
    problems: list[Located] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    origins: dict[tuple[str, str, str], str] = field(default_factory=dict)
    config_maps: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def documents(self, file: Path) -> tuple[Document, ...]:
        try:
            return read_documents(file.read_text(encoding="utf-8"))
        except YamlError as error:
            self.problems.append(Located(str(file), error.line, "", error.message))
        except UnicodeDecodeError:
            self.problems.append(Located(str(file), 1, "", "is no UTF-8 text"))
        except OSError as error:
            self.problems.append(Located(str(file), 1, "", f"can't be read: {error.strerror}"))
        return ()

    def take(self, value: Any, place: _Place) -> None:
        if isinstance(value, dict) and not str(value.get("apiVersion", "")).startswith(f"{GROUP}/"):
            self.ignored.append(f"{place}: {_what(value)}")
            self.config_maps.update(_texts(value, self.namespace))
            return
        if found := validate(value):
            self.problems += [Located(place.file, place.line(p.path), p.path, p.message) for p in found]
            return
        resource = to_resource(value, self.namespace)
        key = (resource.kind, resource.namespace, resource.name)
        if key in self.origins:
            message = f"{resource.kind} {resource.name} is in {self.origins[key]} too: remove or rename one"
            self.problems.append(Located(place.file, place.line("metadata.name"), "metadata.name", message))
            return
        self.origins[key] = str(place)
        self.resources.append(resource)


def _what(value: dict[str, Any]) -> str:
    """Kind and name of a resource of somebody else's, as far as it has them."""
    metadata = value.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    return f"{value.get('kind', 'a document without kind')} {name}".rstrip()


def _texts(value: dict[str, Any], namespace: str) -> dict[tuple[str, str, str], str]:
    """The data of a ConfigMap by (namespace, name, key); nothing of any other document."""
    metadata, data = value.get("metadata"), value.get("data")
    if (value.get("apiVersion"), value.get("kind")) != ("v1", "ConfigMap") or not isinstance(metadata, dict) or not isinstance(data, dict):
        return {}
    where, name = str(metadata.get("namespace") or namespace), str(metadata.get("name", ""))
    return {(where, name, str(key)): text for key, text in data.items() if isinstance(text, str)}


def to_resource(value: dict[str, Any], namespace: str = DEFAULT_NAMESPACE) -> Resource:
    """A valid document as a resource."""
    prepared = prepare(value, schema_of(value["kind"]))
    metadata = prepared["metadata"]
    return Resource(
        kind=value["kind"],
        namespace=metadata.get("namespace") or namespace,
        name=metadata["name"],
        spec=SPECS[value["kind"]].model_validate(prepared["spec"]),
        creation_timestamp=metadata.get("creationTimestamp") or "",
    )
