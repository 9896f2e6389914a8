"""The tables of fields in the guides: every field of what they are about has a row, with the default that it has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.alias_generators import to_snake

from slipstream_api.compile import compile  # noqa: A004 - the word of the design
from slipstream_api.load import to_resource
from slipstream_api.models.cachepolicy import Storage
from slipstream_api.models.circuitbreaker import BreakerRule
from slipstream_api.models.connectionpool import ConnectionPoolSpec, HealthCheck, HttpCheck, Limits
from tests.fakes.guides import example

GUIDES = Path(__file__).parents[2] / "docs" / "guide"
ROW = re.compile(r"^\| `([A-Za-z.]+)` \| (`[^|]*`) \| (.*) \|$", re.MULTILINE)
TEXTS = {name: (GUIDES / f"{name}.md").read_text() for name in ("circuits", "upstreams")}
ELSEWHERE = {"name", "match", "retry", "fallback"}  # of a rule: resilience.md


def leaves(value: BaseModel, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, default as the guide writes it) of every field below a model."""
    for name, field in type(value).model_fields.items():
        inner, here = getattr(value, name), f"{path}{field.alias or name}"
        if isinstance(inner, BaseModel):
            yield from leaves(inner, f"{here}.")
        else:
            yield here, ", ".join(f"`{item}`" for item in (inner if isinstance(inner, tuple) else (inner,)))


def rows(text: str) -> dict[str, str]:
    return {field: default for field, default, _ in ROW.findall(text)}


def test_every_field_of_a_circuit_has_its_row_and_its_default() -> None:
    """A new field, or a default that changes, needs the guide to follow."""
    wanted = {path: default for path, default in leaves(BreakerRule(name="a")) if path.partition(".")[0] not in ELSEWHERE}
    assert rows(TEXTS["circuits"]) == wanted
    assert rows(TEXTS["circuits"].replace("| `30s` |", "| `31s` |")) != wanted


def test_the_fields_of_a_pool_have_the_defaults_that_the_guide_says() -> None:
    """Of its connections and of its health check; those that bound a request are in the section before."""
    bounding = {"limits.maxHeaderBytes", "limits.maxHeaders", "limits.maxUrlBytes", "limits.maxBodyBytes"}
    pool = dict(leaves(Limits(), "limits."))
    wanted = {path: default for path, default in pool.items() if path not in bounding}
    check = dict(leaves(HealthCheck(http=HttpCheck()), "healthCheck."))
    assert rows(TEXTS["upstreams"]) == wanted | check
    assert bounding < set(pool)
    assert {"limits", "health_check"} < set(ConnectionPoolSpec.model_fields)


@pytest.mark.parametrize(("policy", "mode"), [("memory-circuits", "Enforce"), ("ledger-maintenance", "ForcedOpen")])
def test_the_circuits_of_the_guide_are_in_force(policy: str, mode: str) -> None:
    """Each with what the text beside it says."""
    document = example("circuits", policy)
    target = document["spec"]["targetRefs"][0]["name"]
    pool = {**document, "kind": "ConnectionPool", "metadata": {"name": target}}
    pool["spec"] = {"workloads": ["agent"], "upstream": {"protocol": "HTTP", "host": "a", "port": 1}}
    placed = [{**one, "metadata": {"namespace": "n", **one["metadata"]}} for one in (pool, document)]
    compiled = compile("n", "agent", [to_resource(one) for one in placed])
    assert [f for f in compiled.findings if f.type in ("Enforced", "Warning") and f.status != "True"] == []
    rules: dict[str, Any] = {rule.name: rule for rule in compiled.config.pools[0].breaker_rules}
    assert {rule.mode for rule in rules.values()} == {mode}
    if policy == "memory-circuits":
        assert (rules["events"].scope, rules["reindex"].trip.consecutive_failures, rules["reindex"].window.calls) == ("Operation", 3, 20)
        assert "Timeout" not in rules["reindex"].failure_on.errors


def test_every_field_that_a_guide_names_below_a_rule_is_one() -> None:
    """Control of the reader of tables: paths are those of the YAML."""
    for path in rows(TEXTS["circuits"]):
        model: Any = BreakerRule(name="a")
        for step in path.split("."):
            model = getattr(model, to_snake(step))


def test_the_storage_of_the_guide_is_the_default() -> None:
    """As the text below it says."""
    storage = example("cache-storage", "stored")["spec"]["storage"]
    assert storage == Storage().model_dump(by_alias=True)
    assert storage != Storage(eviction="SIEVE").model_dump(by_alias=True)
