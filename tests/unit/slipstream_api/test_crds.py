"""The generated CRDs: structural, bounded, described, without what makes an apply unclean; and the check that they are current."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipstream_api import crdgen
from slipstream_api.conditions import LOADTEST_REASONS, POLICY_REASONS
from slipstream_api.rules import RULES
from slipstream_api.schema import KINDS, Schema, _structural, crd, schema_of

EVERY = pytest.mark.parametrize("kind", list(KINDS))
CRDS = Path(__file__).parents[3] / "crds"


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema below a schema, with its path."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from nodes(part, f"{path}.{name}".lstrip("."))
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


def own(kind: str) -> Iterator[tuple[str, Schema]]:
    """Those of spec and status."""
    return ((path, node) for path, node in nodes(schema_of(kind)) if path.startswith(("spec", "status")))


def unbounded(path: str, node: Schema) -> str:
    """What of a node has no bound; empty when all has. Enums, dates and patterns of one character are bounded by themselves."""
    type_ = node.get("type")
    if node.get("x-kubernetes-int-or-string") and "maxLength" not in node:
        return f"{path}: a text without maxLength"
    if type_ == "string" and not {"maxLength", "enum", "format"} & node.keys():
        return f"{path}: a text without maxLength"
    if type_ == "array" and "maxItems" not in node:
        return f"{path}: a list without maxItems"
    if type_ == "object" and "additionalProperties" in node and "maxProperties" not in node:
        return f"{path}: a map without maxProperties"
    if type_ == "integer" and path.startswith("spec") and not {"minimum", "maximum"} <= node.keys():
        return f"{path}: a number without bounds"
    return ""


@EVERY
def test_everything_has_a_bound_and_a_description(kind: str) -> None:
    """The API server estimates the cost of rules from bounds; `kubectl explain` shows descriptions."""
    assert [message for path, node in own(kind) if (message := unbounded(path, node))] == []
    properties = [(path, node) for path, node in own(kind) if not path.endswith(("[]", "{}"))]
    assert [path for path, node in properties if not node.get("description")] == []


def test_a_missing_bound_would_be_seen() -> None:
    """The control of the check above."""
    assert unbounded("spec.x", {"type": "string"})
    assert unbounded("spec.x", {"type": "array", "items": {}})
    assert unbounded("spec.x", {"type": "integer", "minimum": 0})
    assert not unbounded("spec.x", {"type": "string", "maxLength": 5})


@EVERY
def test_schemas_are_structural(kind: str) -> None:
    """Each node has one type; no float, no reference, no union but the int-or-string one."""
    for path, node in own(kind):
        if node.get("x-kubernetes-int-or-string"):
            assert node["anyOf"] == [{"type": "integer"}, {"type": "string"}], path
            assert "type" not in node, path
        else:
            assert node["type"] in ("object", "array", "string", "integer", "boolean"), path
            assert not {"$ref", "anyOf", "oneOf", "allOf", "not", "const", "title"} & node.keys(), path
        assert node.get("additionalProperties") is not False, path


@EVERY
def test_no_default_stands_below_a_list_item(kind: str) -> None:
    """A default there would make every client-side apply report a change."""
    assert [path for path, node in own(kind) if "[]" in path and "default" in node] == []
    assert any("default" in node for path, node in own(kind) if path.startswith("spec."))  # the control


@EVERY
def test_defaults_satisfy_their_own_schemas(kind: str) -> None:
    """The server refuses a CRD whose default it wouldn't take; objects are written out, since rules run before inner defaults."""
    for path, node in own(kind):
        if node.get("type") == "object" and "default" in node and path != "status":
            with_defaults = {name for name, part in node["properties"].items() if "default" in part}
            assert set(node["default"]) == with_defaults, path
        if "enum" in node and "default" in node:
            assert node["default"] in node["enum"], path
        if "pattern" in node and "default" in node:
            assert re.search(node["pattern"], str(node["default"])), path


@EVERY
def test_lists_say_how_their_items_are_told_apart(kind: str) -> None:
    """Lists of objects are maps by a required key, or atomic; every key is required, since a key can't have a default there."""
    for path, node in own(kind):
        if node.get("type") == "array":
            assert node["x-kubernetes-list-type"] in ("map", "set", "atomic"), path
            for key in node.get("x-kubernetes-list-map-keys", ()):
                assert key in node["items"]["required"], path


@EVERY
def test_columns_short_names_and_status(kind: str) -> None:
    """As the design lists them; a column's path exists in the schema."""
    version = crd(kind)["spec"]["versions"][0]
    columns = [column["name"] for column in version["additionalPrinterColumns"] if not column.get("priority")]
    wide = [column["name"] for column in version["additionalPrinterColumns"] if column.get("priority")]
    figure = {"ConnectionPool": "IN-USE", "CachePolicy": "HIT%", "CircuitBreaker": "STATE"}.get(kind)
    mode = [] if kind == "ConnectionPool" else ["MODE"]  # a pool has none: it is enforced or deleted
    load_test = ["RESULT", "RUN", "RUNNERS", "RPS", "P95", "ERRORS", "DELTA", "LAST", "AGE"]
    assert columns == (["TARGETS", *mode, "READY", "REASON", "PODS", figure, "AGE"] if figure else load_test)
    assert wide == ["MESSAGE"]
    paths = {path for path, _ in nodes(schema_of(kind))}
    for column in version["additionalPrinterColumns"]:
        path = re.sub(r"\[\?.*?\]", "[]", column["jsonPath"]).lstrip(".")
        assert path == "metadata.creationTimestamp" or path in paths, path
    names = crd(kind)["spec"]["names"]
    assert (names["shortNames"], names["categories"]) == ([KINDS[kind][1]], ["slipstream"])
    assert version["subresources"] == {"status": {}}


@EVERY
def test_a_new_resource_is_pending(kind: str) -> None:
    """Ready=Unknown/Pending before any operator has seen it; every reason fits into the status."""
    default = schema_of(kind)["properties"]["status"]["default"]["conditions"][0]
    assert (default["type"], default["status"], default["reason"]) == ("Ready", "Unknown", "Pending")
    condition = schema_of(kind)["properties"]["status"]["properties"]["conditions"]["items"]
    assert set(condition["required"]) == {"type", "status", "lastTransitionTime", "reason", "message"}
    for reasons in (POLICY_REASONS, LOADTEST_REASONS):
        for type_, of_type in reasons.items():
            assert len(type_) <= condition["properties"]["type"]["maxLength"]
            assert all(re.search(condition["properties"]["reason"]["pattern"], reason) for reason in of_type)


def test_every_rule_is_in_the_crds_it_is_for() -> None:
    """A rule whose place was misspelt would be checked by nobody."""
    for rule in RULES:
        for kind in rule.kinds:
            found = dict(nodes(schema_of(kind)))[rule.at]
            assert {"rule": rule.cel, "message": rule.message} in found["x-kubernetes-validations"]


def test_what_a_structural_schema_cannot_say_is_refused() -> None:
    """A model that would generate a CRD no server takes fails here and not there."""
    with pytest.raises(ValueError, match="discriminator"):
        _structural({"discriminator": {}}, {}, "CachePolicy", "spec.x")
    with pytest.raises(ValueError, match="union"):
        _structural({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {}, "CachePolicy", "spec.x")


@EVERY
def test_files_are_small_and_current(kind: str) -> None:
    """Below 100 kB; what is in the repository is what the models give."""
    text = crdgen.render(kind)
    assert len(text.encode()) < crdgen.LIMIT
    assert yaml.safe_load(text) == crd(kind)
    assert (CRDS / f"{KINDS[kind][0]}.yaml").read_text() == text


def test_check_says_what_to_do_about_a_stale_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and `make crds` when a file differs or is missing; 0 and silence when all are current."""
    folder = str(tmp_path)
    assert crdgen.main(["--check", folder]) == 1
    assert crdgen.main([folder]) == 0
    capsys.readouterr()
    assert crdgen.main(["--check", folder]) == 0
    assert capsys.readouterr().err == ""
    stale = tmp_path / "cachepolicies.yaml"
    stale.write_text(stale.read_text().replace("maxEntries", "maxEntrys"))
    assert crdgen.main(["--check", folder]) == 1
    said: Any = capsys.readouterr().err
    assert "cachepolicies.yaml" in said
    assert "make crds" in said
    assert "loadtests.yaml" not in said
