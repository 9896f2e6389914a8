"""Validation of single documents: the order of the server's steps, and what the messages say. Paths are the corpus' matter."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from slipstream_api.schema import schema_of
from slipstream_api.validate import prepare, validate

POOL: dict[str, Any] = {
    "apiVersion": "slipstream.dev/v1alpha1",
    "kind": "ConnectionPool",
    "metadata": {"name": "memory"},
    "spec": {"workloads": ["agent"], "upstream": {"protocol": "HTTP", "host": "memory-server", "port": 8080}},
}


def pool(**spec: Any) -> dict[str, Any]:
    document = copy.deepcopy(POOL)
    document["spec"] |= spec
    return document


def said(document: Any) -> dict[str, str]:
    return {problem.path: problem.message for problem in validate(document)}


@pytest.mark.parametrize("document", [None, 5, "text", [POOL], {}])
def test_what_is_no_resource_is_refused_and_not_a_crash(document: Any) -> None:
    """Whatever a file holds gets a message."""
    assert all(said(document).values())
    assert said(document)


def test_another_version_or_kind_is_named_with_what_is_known() -> None:
    """Before anything else is looked at."""
    assert "slipstream.dev/v1alpha1" in said(POOL | {"apiVersion": "slipstream.dev/v2"})["apiVersion"]
    assert "ConnectionPool, CachePolicy" in said(POOL | {"kind": "Pool"})["kind"]


def test_a_valid_document_is_left_as_it_is() -> None:
    """Validation prepares a copy."""
    before = copy.deepcopy(POOL)
    assert validate(POOL) == ()
    assert before == POOL


def test_nothing_is_coerced() -> None:
    """Lax readers take these; the server doesn't."""
    for port in ("8080", True, 8080.5, [8080], None):
        assert "spec.upstream.port" in said(pool(upstream=POOL["spec"]["upstream"] | {"port": port}))


def test_unknown_fields_are_all_that_is_said() -> None:
    """The server decodes strictly first; without the unknown field it would say the other thing."""
    assert set(said(pool(foo=1, limits={"maxConnections": 0}))) == {"spec.foo"}
    assert set(said(pool(limits={"maxConnections": 0}))) == {"spec.limits.maxConnections"}


def test_a_misspelt_field_is_answered_with_the_right_one() -> None:
    """Snake case and another case are the usual slips."""
    assert "did you mean maxConnections?" in said(pool(limits={"max_connections": 5}))["spec.limits.max_connections"]
    assert "did you mean maxConnections?" in said(pool(limits={"MaxConnections": 5}))["spec.limits.MaxConnections"]
    assert "known are" in said(pool(limits={"size": 5}))["spec.limits.size"]


def test_rules_run_only_on_what_the_schema_accepts() -> None:
    """An enumeration that is missed keeps CEL from running, a pattern doesn't."""
    broken = {"minConnections": 20, "maxConnections": 10}
    assert set(said(pool(limits=broken))) == {"spec.limits"}
    assert set(said(pool(limits=broken | {"reuse": "Random"}))) == {"spec.limits.reuse"}
    assert set(said(pool(limits=broken | {"idleTimeout": "soon"}))) == {"spec.limits", "spec.limits.idleTimeout"}


def test_rules_see_defaults_of_objects() -> None:
    """`minConnections: 101` is above the default of maxConnections."""
    assert said(pool(limits={"minConnections": 101})) == {"spec.limits": "minConnections must be at most maxConnections"}


def test_a_list_names_the_second_of_equal_items() -> None:
    """And none of the further ones."""
    assert set(said(pool(workloads=["a", "b", "a", "a", "b"]))) == {"spec.workloads[2]", "spec.workloads[4]"}


def test_status_is_not_looked_at() -> None:
    """The server drops it on create, but not before it has looked for unknown fields."""
    assert said(POOL | {"status": {"conditions": 5}}) == {}
    assert set(said(POOL | {"status": {"phase": "Ready"}})) == {"status.phase"}


@pytest.mark.parametrize(
    ("spec", "path", "words"),
    [
        ({"limits": {"acquireTimeout": "10"}}, "spec.limits.acquireTimeout", "250ms, 30s, 5m or 1h30m"),
        ({"limits": {"reuse": "Random"}}, "spec.limits.reuse", "LIFO"),
        ({"limits": {"maxPending": -1}}, "spec.limits.maxPending", "at least 0"),
        ({"workloads": []}, "spec.workloads", "at least 1"),
        ({"upstream": {"host": "a", "port": 1}}, "spec.upstream.protocol", "required"),
        ({"listen": {"passthroughPorts": [8080]}}, "spec", "must not name the upstream's own port"),
    ],
)
def test_messages_say_what_to_write(spec: dict[str, Any], path: str, words: str) -> None:
    """What is wrong, and what would be right."""
    assert words in said(pool(**spec))[path]


def test_nulls_are_pruned_before_defaults_are_filled() -> None:
    """A null member is one that isn't there; a null item of a list stays and is refused."""
    prepared = prepare(pool(limits={"maxConnections": None}, listen=None), schema_of("ConnectionPool"))
    assert prepared["spec"]["limits"]["maxConnections"] == 100
    assert prepared["spec"]["listen"]["intercept"] == "Environment"
    assert set(said(pool(workloads=[None]))) == {"spec.workloads[0]"}


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        (None, "metadata.name"),
        ("memory", "metadata"),
        ({}, "metadata.name"),
        ({"name": None}, "metadata.name"),
        ({"name": 5}, "metadata.name"),
        ({"name": "memory", "nmae": "x"}, "metadata.nmae"),
        ({"name": "memory", "namespace": "My_Team"}, "metadata.namespace"),
        ({"name": "memory", "labels": {"a": True}}, "metadata.labels"),
        ({"name": "memory", "labels": {"a/b/c": "x"}}, "metadata.labels"),
        ({"name": "memory", "annotations": ["a"]}, "metadata.annotations"),
    ],
)
def test_metadata_is_checked_as_far_as_people_write_it(metadata: Any, path: str) -> None:
    """One path each."""
    assert set(said(POOL | {"metadata": metadata})) == {path}


def test_labels_and_annotations_that_are_right_pass() -> None:
    """The control: a domain, an empty value, an annotation with any text."""
    metadata = {"name": "m", "labels": {"app.kubernetes.io/name": "x", "b": ""}, "annotations": {"Example.com/x": "any / text"}}
    assert said(POOL | {"metadata": metadata}) == {}
