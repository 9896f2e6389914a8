"""The health that Argo CD's Lua and Flux's kstatus read from an object in every state that the operator writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from slipstream_api.conditions import LOADTEST_REASONS, POLICY_REASONS, Reason, Type
from slipstream_operator.reconcile.verdict import STALLED_AT_ONCE, STALLED_LATER
from tests.fakes.lua import health, literal

ROOT = Path(__file__).parents[2]
ARGOCD = ROOT / "manifests" / "gitops" / "argocd"
STATES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "gitops" / "states.yaml").read_text())
KINDS = ("ConnectionPool", "CachePolicy", "CircuitBreaker", "LoadTest")


def scripts() -> dict[str, str]:
    """What goes into argocd-cm, by kind."""
    (generator,) = yaml.safe_load((ARGOCD / "kustomization.yaml").read_text())["configMapGenerator"]
    pairs = (entry.split("=") for entry in generator["files"])
    return {key.rpartition("_")[2]: (ARGOCD / file).read_text() for key, file in pairs}


def thing(state: dict[str, Any]) -> dict[str, Any]:
    """The object as the API server has it."""
    generation = state.get("generation", 1)
    found: dict[str, Any] = {"kind": state["kind"], "metadata": {"name": "x", "generation": generation}, "spec": {}}
    if "conditions" in state:
        found["status"] = {
            "conditions": [{"type": t, "status": s, "reason": r, "message": f"{r} it is"} for t, s, r in state["conditions"]],
        }
        if "observed" in state:
            found["status"]["observedGeneration"] = state["observed"]
    return found


def kstatus(found: dict[str, Any]) -> str:
    """The rules for kinds that kstatus doesn't know (sigs.k8s.io/cli-utils/pkg/kstatus/README.md)."""
    status = found.get("status") or {}
    if status.get("observedGeneration", found["metadata"]["generation"]) != found["metadata"]["generation"]:
        return "InProgress"
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or []}
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    return "Current" if conditions.get("Ready", "True") == "True" else "InProgress"


@pytest.mark.parametrize("state", STATES, ids=[s["name"] for s in STATES])
def test_argo_cd_reads_the_health(state: dict[str, Any]) -> None:
    """With the very script that the component ships, in a real interpreter."""
    status, message = health(scripts()[state["kind"]], thing(state))
    assert status == state["argocd"]
    assert message not in ("", "nil")


@pytest.mark.parametrize("state", STATES, ids=[s["name"] for s in STATES])
def test_flux_reads_the_health(state: dict[str, Any]) -> None:
    """By kstatus alone."""
    assert kstatus(thing(state)) == state["kstatus"]


def test_every_kind_has_a_script() -> None:
    """Argo CD calls a kind without one Healthy at once."""
    assert set(scripts()) == set(KINDS)
    assert all(key.startswith("resource.customizations.health.slipstream.dev_") for key in keys())


def keys() -> list[str]:
    (generator,) = yaml.safe_load((ARGOCD / "kustomization.yaml").read_text())["configMapGenerator"]
    return [entry.split("=")[0] for entry in generator["files"]]


def test_the_states_are_the_operators() -> None:
    """Types and reasons of slipstream_api.conditions; each reason for being stalled and each outcome of a run is there."""
    seen: dict[str, set[tuple[str, str]]] = {"policy": set(), "LoadTest": set()}
    for state in STATES:
        sort = "LoadTest" if state["kind"] == "LoadTest" else "policy"
        for type_, _, reason in state.get("conditions", []):
            seen[sort].add((type_, reason))
    for sort, known in (("policy", POLICY_REASONS), ("LoadTest", LOADTEST_REASONS)):
        for type_, reason in seen[sort]:
            if Type(type_) in known:
                assert Reason(reason) in known[Type(type_)], (sort, type_, reason)
    assert {r for t, r in seen["policy"] if t == "Stalled"} >= {str(r) for r in STALLED_AT_ONCE | STALLED_LATER}
    assert {r for t, r in seen["LoadTest"] if t == "Succeeded"} == {str(r) for r in LOADTEST_REASONS[Type.SUCCEEDED]}


@pytest.mark.parametrize("kind", ["CachePolicy", "LoadTest"])
def test_a_script_that_calls_everything_healthy_is_caught(kind: str) -> None:
    """The control: without the line about Stalled the degraded ones would pass."""
    careless = scripts()[kind].replace("found.Stalled ~= nil", "false")
    assert careless != scripts()[kind]
    degraded = [s for s in STATES if s["kind"] == kind and s["argocd"] == "Degraded"]
    assert degraded
    assert all(health(careless, thing(s))[0] != "Degraded" for s in degraded)


def test_texts_reach_lua_as_they_are() -> None:
    """Quotes, backslashes, line ends, other alphabets."""
    text = 'a "b" \\ \n ü 日'
    assert health("return {status = obj.t, message = ''}", {"t": text.replace("\n", " ")})[0] == text.replace("\n", " ")
    assert literal({"a": [1, True, None]}) == '{["a"] = {1, true, nil}}'
