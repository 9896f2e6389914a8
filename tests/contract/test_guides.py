"""The policies in the guides are valid, and do together what the text beside them says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from slipstream_api.compile import compile  # noqa: A004 - the word of the design
from slipstream_api.config import Pool
from slipstream_api.load import to_resource
from slipstream_api.validate import validate
from slipstream_api.yamlread import read_documents
from tests.fakes.manifests import but

GUIDES = sorted((Path(__file__).parents[2] / "docs" / "guide").glob("*.md"))
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def policies(path: Path) -> list[Any]:
    """The documents of a guide that are whole policies."""
    found = [document.value for block in BLOCK.findall(path.read_text()) for document in read_documents(block)]
    return [value for value in found if str(value.get("apiVersion", "")).startswith("slipstream.dev/")]


EXAMPLES = [(path.stem, value) for path in GUIDES for value in policies(path)]


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
