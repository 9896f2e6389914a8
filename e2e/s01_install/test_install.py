"""Story 1: installed by one `kubectl apply -k`, ready in under a minute; uninstalled in any order, nothing hangs."""

from __future__ import annotations

import time

import pytest

from e2e.conftest import ROOT, SYSTEM
from e2e.harness import kubectl, workloads
from e2e.harness.waiting import eventually

DEFAULT = str(ROOT / "manifests" / "default")
KINDS = ("connectionpools", "cachepolicies", "circuitbreakers", "loadtests")


def install() -> float:
    """Applies everything; seconds until operator and injector are available."""
    begin = time.monotonic()
    kubectl.run("apply", "-k", DEFAULT)
    for name in ("slipstream-operator", "slipstream-injector"):
        kubectl.run("rollout", "status", f"deployment/{name}", "-n", SYSTEM, "--timeout=90s")
    return time.monotonic() - begin


def uninstall_everything() -> None:
    kubectl.run("delete", "-k", DEFAULT, "--ignore-not-found", "--timeout=90s", timeout=100)


def uninstall_operator_first() -> None:
    """The operator goes first, then the resources and their kinds: without finalizers nobody waits for it."""
    kubectl.run("delete", "namespace", SYSTEM, "--timeout=60s", timeout=70)
    uninstall_everything()


def uninstall_kinds_first() -> None:
    """The CRDs go first, with policies in place and the operator running."""
    kubectl.run("delete", "crd", *[f"{kind}.slipstream.dev" for kind in KINDS], "--timeout=60s", timeout=70)
    uninstall_everything()


@pytest.mark.parametrize("uninstall", [uninstall_operator_first, uninstall_kinds_first], ids=["operator-first", "kinds-first"])
def test_installs_in_under_a_minute_and_uninstalls_in_any_order(uninstall: object) -> None:
    """Install, a policy in use, uninstall, nothing left; then the same again in another order."""
    uninstall_everything()
    took = install()
    print(f"kubectl apply -k manifests/default → ready: {took:.1f} s")
    assert took < 60
    kubectl.apply([workloads.pool("left-behind"), workloads.cache("left-behind", ("left-behind",))], "default")
    eventually(
        lambda: kubectl.condition(kubectl.get("cachep", "left-behind", "default"), "Accepted")["status"] == "True", "policy accepted", 30
    )
    assert callable(uninstall)
    uninstall()
    assert not kubectl.exists("namespace", SYSTEM)
    left = kubectl.out("get", "crd,clusterrole,clusterrolebinding,mutatingwebhookconfiguration,validatingadmissionpolicy", "-o", "name")
    assert [line for line in left.splitlines() if "slipstream" in line] == []


def test_policies_carry_neither_finalizers_nor_kopf_annotations(installed: str) -> None:
    """What would hang an uninstall isn't there (and the check sees a finalizer where there is one: a namespace has `kubernetes`)."""
    kubectl.apply([workloads.pool("clean")], "default")
    eventually(lambda: kubectl.condition(kubectl.get("cpool", "clean", "default"), "Accepted")["status"] == "True", "accepted", 30)
    metadata = kubectl.get("cpool", "clean", "default")["metadata"]
    assert "finalizers" not in metadata
    assert [key for key in metadata.get("annotations", {}) if "kopf" in key or "slipstream" in key] == []
    assert kubectl.get("namespace", "default")["spec"]["finalizers"] == ["kubernetes"]
    kubectl.delete("cpool", "clean", "default")
