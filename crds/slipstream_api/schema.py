"""Structural schemas and whole CRDs out of the models. Pure; writes no file.

pydantic's JSON schema isn't what the API server takes: references are inlined, `X | None` becomes X without a default, `const` an enum,
`additionalProperties: false` goes (pruning and strict field validation do its work), a default below a list item goes (every client-side
apply would report a change), an object's default is written in full (CEL runs on it before inner defaults).
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any, Final

from slipstream_api.models import SPECS, Model
from slipstream_api.models.status import LoadTestStatus, PolicyStatus
from slipstream_api.rules import rules_at

GROUP: Final = "slipstream.dev"
VERSION: Final = "v1alpha1"
Schema = dict[str, Any]

_REFUSED: Final = ("discriminator", "oneOf", "allOf", "prefixItems", "patternProperties", "if", "not")
_DROPPED: Final = ("title", "additionalProperties")


@cache
def schema_of(kind: str) -> Schema:
    """The openAPIV3Schema of a kind, with its CEL rules."""
    status = LoadTestStatus if kind == "LoadTest" else PolicyStatus
    pending = {"type": "Ready", "status": "Unknown", "reason": "Pending", "message": "Waiting for the operator"}
    default = {"conditions": [{**pending, "lastTransitionTime": "1970-01-01T00:00:00Z"}]}
    schema: Schema = {
        "type": "object",
        "description": (SPECS[kind].__doc__ or "").strip(),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 253}}},
            "spec": {**_structural_model(SPECS[kind], kind, "spec"), "description": "What is wanted."},
            "status": {**_structural_model(status, "", "status"), "description": "What is, written by the operator.", "default": default},
        },
    }
    return _with_rules(schema, kind, "")


def _structural_model(model: type[Model], kind: str, path: str) -> Schema:
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(raw, raw.pop("$defs", {}), kind, path)


def _structural(node: Schema, definitions: Schema, kind: str, path: str) -> Schema:
    """One node of pydantic's schema as the API server takes it; `path` as in rules.py."""
    node = dict(node)
    if reference := node.pop("$ref", None):
        base = copy.deepcopy(definitions[reference.rsplit("/", 1)[1]])
        return _structural({**base, **node}, definitions, kind, path)
    if node.get("x-kubernetes-int-or-string"):
        return _with_rules(_int_or_string(node), kind, path)
    if "anyOf" in node:
        return _structural(_optional(node, path), definitions, kind, path)
    if refused := [word for word in _REFUSED if word in node]:
        raise ValueError(f"{kind} {path}: {', '.join(refused)} can't be part of a structural schema")
    if "const" in node:
        node["enum"] = [node.pop("const")]
    values = node.get("additionalProperties")
    for word in _DROPPED:
        node.pop(word, None)
    if isinstance(values, dict):
        node["additionalProperties"] = _structural(values, definitions, kind, f"{path}{{}}")
    if "propertyNames" in node:  # a structural schema can't say it; a rule has to where it matters
        del node["propertyNames"]
    if "properties" in node:
        node["properties"] = {name: _structural(inner, definitions, kind, f"{path}.{name}") for name, inner in node["properties"].items()}
    if "items" in node:
        node["items"] = _without_defaults(_structural(node["items"], definitions, kind, f"{path}[]"))
    if node.get("type") == "integer":
        node["format"] = "int64" if node.get("maximum", 1 << 40) > 2**31 - 1 else "int32"
    if "default" in node:
        node["default"] = _without_nulls(node["default"])
    return _with_rules(node, kind, path)


def _optional(node: Schema, path: str) -> Schema:
    """`X | None` as X: a null is pruned before it is looked at."""
    rest = [option for option in node["anyOf"] if option != {"type": "null"}]
    if len(rest) != 1:
        raise ValueError(f"{path}: a union can't be part of a structural schema")
    outer = {word: value for word, value in node.items() if word not in ("anyOf", "default")}
    return {**rest[0], **outer}


def _int_or_string(node: Schema) -> Schema:
    kept = {word: node[word] for word in ("description", "pattern", "maxLength", "default") if node.get(word) is not None}
    return {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}], **kept}


def _without_defaults(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    kept = {word: value for word, value in node.items() if word != "default"}
    return {
        word: {name: _without_defaults(inner) for name, inner in value.items()} if word == "properties" else _without_defaults(value)
        for word, value in kept.items()
    }


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _with_rules(node: Schema, kind: str, path: str) -> Schema:
    rules = [{"rule": rule.cel, "message": rule.message} for rule in rules_at(kind, path)]
    return {**node, "x-kubernetes-validations": rules} if rules else node


def _column(name: str, path: str, type_: str = "string", wide: bool = False) -> Schema:
    return {"name": name, "type": type_, "jsonPath": path, **({"priority": 1} if wide else {})}


def _of_condition(type_: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{type_}")].{field}'


_AGE: Final = _column("AGE", ".metadata.creationTimestamp", "date")
_MESSAGE: Final = _column("MESSAGE", _of_condition("Ready", "message"), wide=True)
_LOAD_TEST_COLUMNS: Final = [
    _column("RESULT", _of_condition("Succeeded", "reason")),
    _column("RUN", ".status.run", "integer"),
    _column("RUNNERS", ".status.runners.summary"),
    _column("RPS", ".status.summary.rps"),
    _column("P95", ".status.summary.p95"),
    _column("ERRORS", ".status.summary.errors"),
    _column("DELTA", ".status.summary.delta"),
    _column("LAST", ".status.completionTime", "date"),
    _column("MESSAGE", _of_condition("Succeeded", "message"), wide=True),
    _AGE,
]


def _policy_columns(figure: str) -> list[Schema]:
    mode = [] if figure == "IN-USE" else [_column("MODE", ".spec.mode")]
    return [
        _column("TARGETS", ".status.summary.targets"),
        *mode,
        _column("READY", _of_condition("Ready", "status")),
        _column("REASON", _of_condition("Ready", "reason")),
        _column("PODS", ".status.summary.pods"),
        _column(figure, ".status.summary.figure"),
        _MESSAGE,
        _AGE,
    ]


KINDS: Final[dict[str, tuple[str, str, list[Schema]]]] = {
    "ConnectionPool": ("connectionpools", "cpool", _policy_columns("IN-USE")),
    "CachePolicy": ("cachepolicies", "cachep", _policy_columns("HIT%")),
    "CircuitBreaker": ("circuitbreakers", "cbk", _policy_columns("STATE")),
    "LoadTest": ("loadtests", "lt", _LOAD_TEST_COLUMNS),
}


def crd(kind: str) -> Schema:
    """The CustomResourceDefinition of a kind."""
    plural, short, columns = KINDS[kind]
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": schema_of(kind)},
    }
    names = {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": kind.lower(),
        "shortNames": [short],
        "categories": ["slipstream"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }
