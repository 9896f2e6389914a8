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
    """What files hold. `ignored`: documents of other kinds, as `file:line: Kind name`."""

    resources: tuple[Resource, ...] = ()
    problems: tuple[Located, ...] = ()
    ignored: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    origins: dict[tuple[str, str, str], str] = field(default_factory=dict)  # (kind, namespace, name) → file:line


def load_paths(paths: Iterable[Path], namespace: str = "default") -> Loaded:
    """Every resource in these files and folders (not below), in the order of the file names."""
    files = list(_files(paths))
    problems: list[Located] = []
    resources: list[Resource] = []
    ignored: list[str] = []
    origins: dict[tuple[str, str, str], str] = {}
    for file in files:
        for document in _documents(file, problems):
            for value in _flat(document.value):
                _take(value, document, file, namespace, resources, problems, ignored, origins)
    return Loaded(tuple(resources), tuple(sorted(problems)), tuple(ignored), tuple(map(str, files)), origins)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(child for child in path.iterdir() if child.suffix in SUFFIXES and child.is_file())
        else:
            yield path


def _documents(file: Path, problems: list[Located]) -> tuple[Document, ...]:
    try:
        return read_documents(file.read_text(encoding="utf-8"))
    except YamlError as error:
        problems.append(Located(str(file), error.line, "", error.message))
    except UnicodeDecodeError:
        problems.append(Located(str(file), 1, "", "is no UTF-8 text"))
    except OSError as error:
        problems.append(Located(str(file), 1, "", f"can't be read: {error.strerror}"))
    return ()


def _flat(value: Any) -> list[Any]:
    """The items of a `kind: List`, or the value itself."""
    if isinstance(value, dict) and value.get("kind") == "List" and isinstance(value.get("items"), list):
        return list(value["items"])
    return [value]


def _take(
    value: Any,
    document: Document,
    file: Path,
    namespace: str,
    resources: list[Resource],
    problems: list[Located],
    ignored: list[str],
    origins: dict[tuple[str, str, str], str],
) -> None:
    here = f"{file}:{document.line}"
    if isinstance(value, dict) and not str(value.get("apiVersion", "")).startswith(f"{GROUP}/"):
        ignored.append(f"{here}: {value.get('kind', 'a document without kind')} {(value.get('metadata') or {}).get('name', '')}".rstrip())
        return
    if found := validate(value):
        problems += [Located(str(file), document.line_of(p.path), p.path, p.message) for p in found]
        return
    resource = to_resource(value, namespace)
    key = (resource.kind, resource.namespace, resource.name)
    if key in origins:
        problems.append(Located(str(file), document.line, "metadata.name", f"{resource.kind} {resource.name} is in {origins[key]} too"))
        return
    origins[key] = here
    resources.append(resource)


def to_resource(value: dict[str, Any], namespace: str = "default") -> Resource:
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
