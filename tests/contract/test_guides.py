"""The policies in the guides are valid, and do together what the text beside them says."""

from __future__ import annotations

from typing import Any

import pytest

from slipstream_api.compile import compile  # noqa: A004 - the word of the design
from slipstream_api.config import Pool
from slipstream_api.load import to_resource
from slipstream_api.validate import validate
from tests.fakes.guides import EXAMPLES
from tests.fakes.manifests import but


@pytest.mark.parametrize(("guide", "document"), EXAMPLES, ids=[f"{guide}-{value['metadata']['name']}" for guide, value in EXAMPLES])
def test_a_policy_of_a_guide_is_valid(guide: str, document: Any) -> None:
    """As the API server would say; and the same policy with a field that isn't there is not."""
    assert validate(document) == ()
    assert validate(but(document, lambda d: d["spec"].update({"retries": 3}))) != ()


def resilience() -> list[Pool]:
    documents = [value for guide, value in EXAMPLES if guide == "resilience"]
    spec = {"workloads": ["agent"], "upstream": {"protocol": "HTTP", "host": "memory", "port": 8080}}
    memory = {**documents[0], "kind": "ConnectionPool", "metadata": {"name": "memory"}, "spec": spec}
    placed = [{**document, "metadata": {"namespace": "n", **document["metadata"]}} for document in (memory, *documents)]
    compiled = compile("n", "agent", [to_resource(document) for document in placed])
    assert [f for f in compiled.findings if f.type == "Enforced" and f.status != "True"] == []
    return list(compiled.config.pools)


def test_the_policies_of_the_resilience_guide_are_in_force_together() -> None:
    """Retries for reads, the chain for the rest, and its other pool is there."""
    memory, replica = resilience()
    by_name = {rule.name: rule for rule in memory.breaker_rules}
    assert (by_name["reads"].retry.max_attempts, by_name["reads"].retry.per_try_timeout_ms) == (3, 800)
    assert [step.type for step in by_name["default"].fallback] == ["StaleCache", "Upstream", "Static"]
    assert by_name["default"].fallback[1].pool == replica.name
    assert replica.limits.request_timeout_ms == 5_000


def test_each_step_of_the_chain_by_cause_is_for_what_the_guide_says() -> None:
    """And each has its turn: no Warning."""
    by_name = {rule.name: rule for rule in resilience()[0].breaker_rules}
    chain = {step.type: step.causes for step in by_name["search"].fallback}
    assert chain == {"StaleCache": ("CircuitOpen",), "Upstream": ("Connect", "Reset"), "Static": ("Overload",)}
