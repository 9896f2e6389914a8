"""Laws of what is accepted: it can be compiled, compiling forgets nothing that matters and looks at nothing else."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from slipstream_api.compile import compile  # noqa: A004 - the word of the design
from slipstream_api.config import canonical, decode
from slipstream_api.load import to_resource
from slipstream_api.resources import Resource
from slipstream_api.validate import validate
from tests.contract.corpus.mutations import bases, mutant

SEEDS = st.integers(0, 1 << 32)


@cache
def good() -> dict[str, list[dict[str, Any]]]:
    return bases()


def pool(name: str = "memory") -> Resource:
    upstream = {"protocol": "HTTP", "host": f"{name}-server", "port": 8080}
    spec = {"workloads": ["agent"], "upstream": upstream}
    return to_resource({"apiVersion": "slipstream.dev/v1alpha1", "kind": "ConnectionPool", "metadata": {"name": name}, "spec": spec})


@settings(max_examples=1500, deadline=None)
@given(SEEDS)
def test_what_is_accepted_can_be_compiled_and_sent(seed: int) -> None:
    """No accepted policy stops an operator: it becomes a configuration that a sidecar can read back. Nothing else raises either."""
    document = mutant(seed, good())
    if problems := validate(document):
        assert all(problem.message for problem in problems)
        return
    resource = to_resource(document)
    around = [] if resource.kind == "ConnectionPool" else [pool()]
    for placement in ("Sidecar", "Local"):
        compiled = compile("default", "agent", [*around, resource], placement)
        assert decode(canonical(compiled.config)) == compiled.config


@settings(max_examples=200, deadline=None)
@given(st.lists(SEEDS, min_size=1, max_size=6), st.data())
def test_order_and_metadata_change_nothing(seeds: list[int], data: st.DataObject) -> None:
    """Same bytes, same findings for the same policies in any order, of any generation and uid."""
    accepted = [document for seed in seeds if not validate(document := mutant(seed, good()))]
    resources = [replace(to_resource(document), name=f"p{index}") for index, document in enumerate(accepted)]
    before = compile("default", "agent", [pool(), *resources])
    touched = [replace(r, uid=f"uid-{r.name}", generation=r.generation + 7) for r in data.draw(st.permutations([pool(), *resources]))]
    after = compile("default", "agent", touched)
    assert canonical(before.config) == canonical(after.config)
    assert (before.revision, before.findings) == (after.revision, after.findings)


@settings(max_examples=200, deadline=None)
@given(SEEDS)
def test_a_configuration_that_differs_has_another_revision(seed: int) -> None:
    """The control: a revision isn't stable because it looks at nothing."""
    document = mutant(seed, good())
    if validate(document) or document["kind"] == "LoadTest":
        return
    alone = compile("default", "agent", [pool("other")])
    with_it = compile("default", "agent", [pool("other"), pool(), to_resource(document)])
    assert (alone.config == with_it.config) == (alone.revision == with_it.revision)
    assert alone.revision != with_it.revision
