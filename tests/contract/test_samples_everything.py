"""The samples with every field: valid, in force together without a warning, and none of the fields that there are is left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slipstream_api.compile import compile  # noqa: A004 - the word of the design
from slipstream_api.enforcement import TABLE
from slipstream_api.load import load_paths
from slipstream_api.schema import KINDS, schema_of
from slipstream_api.validate import validate
from tests.fakes.manifests import but, documents

FOLDER = Path(__file__).parents[2] / "manifests" / "samples" / "everything"
DOCUMENTS = [document for _, document in documents(FOLDER)]
LATER = [(row.kind, row.path) for row in TABLE if row.inert == (None,)]  # accepted, and enforced by no version yet


def fields(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Paths of all fields below a schema, `[]` for every item; a map's keys are no fields."""
    for name, inner in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield here
        while inner.get("type") == "array":
            here, inner = f"{here}[]", inner["items"]
        yield from fields(inner, here)


def set_in(value: Any, path: str = "") -> Iterator[str]:
    """Paths of all fields that a document sets."""
    if isinstance(value, dict):
        for name, inner in value.items():
            here = f"{path}.{name}" if path else name
            yield here
            yield from set_in(inner, here)
    elif isinstance(value, list):
        for item in value:
            yield from set_in(item, f"{path}[]")


def missing(kind: str, samples: list[dict[str, Any]]) -> set[str]:
    """Fields of a kind that no sample of it sets, but for those that would do nothing."""
    later = [path for of, path in LATER if of == kind]
    known = {path for path in fields(schema_of(kind)["properties"]["spec"]) if not any(path.startswith(row) for row in later)}
    return known - {path for sample in samples if sample["kind"] == kind for path in set_in(sample["spec"])}


@pytest.mark.parametrize("document", DOCUMENTS, ids=[f"{d['kind']}-{d['metadata']['name']}" for d in DOCUMENTS])
def test_it_is_valid(document: dict[str, Any]) -> None:
    """As the API server would say; and the same with a field that isn't there is not."""
    assert validate(document) == ()
    assert validate(but(document, lambda d: d["spec"].update({"everything": 1}))) != ()


@pytest.mark.parametrize("kind", KINDS)
def test_no_field_is_left_out(kind: str) -> None:
    """A new field needs its place here; one that is taken out of the sample is missed."""
    assert missing(kind, DOCUMENTS) == set()
    first = next(document for document in DOCUMENTS if document["kind"] == kind)
    field = {"ConnectionPool": "limits", "CachePolicy": "storage", "CircuitBreaker": "mode", "LoadTest": "checks"}[kind]
    assert field in missing(kind, [but(first, lambda d: d["spec"].pop(field))])


def test_the_policies_are_in_force_together() -> None:
    """Each of them, with nothing to warn of: no conflict, no fallback to nowhere, no step that is never taken."""
    loaded = load_paths([FOLDER])
    assert loaded.problems == ()
    compiled = compile("default", "agent", loaded.resources)
    assert [f for f in compiled.findings if f.type == "Warning" or f.status != "True"] == []
    (ledger,) = [pool for pool in compiled.config.pools if pool.name == "ledger"]
    assert (len(ledger.cache_rules), len(ledger.breaker_rules), len(ledger.warming)) == (3, 3, 1)
