"""Story 11: what the operator's account may write is bounded by more than its role: names, images, mounts, tokens of its runner pods."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from e2e.conftest import SYSTEM
from e2e.harness import kubectl
from e2e.harness.world import World

OPERATOR = f"system:serviceaccount:{SYSTEM}:slipstream-operator"
INJECTOR = f"system:serviceaccount:{SYSTEM}:slipstream-injector"
RUNTIME_IMAGE = "slipstream-runtime:dev"
HARDENED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
Change = Callable[[Any, Any], object]


def config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def job() -> dict[str, Any]:
    """A Job as the operator makes them."""
    runner = {
        "name": "runner",
        "image": RUNTIME_IMAGE,
        "env": [{"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}],
        "securityContext": HARDENED,
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532},
        "containers": [runner],
        "volumes": [{"name": "plan", "configMap": {"name": "slipstream-lt-x-1-plan"}}],
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "slipstream-lt-x-1"}, "spec": {"template": {"spec": pod}}}


def as_operator(world: World, thing: dict[str, Any]) -> str:
    """Creates it, without keeping it."""
    return kubectl.apply([thing], world.namespace, "--as", OPERATOR, "--dry-run=server", "--server-side")


def test_what_the_operator_makes_is_allowed(world: World) -> None:
    """The control of everything below."""
    assert as_operator(world, job())
    assert as_operator(world, config_map("slipstream-agent"))


def test_other_names_are_refused(world: World) -> None:
    """Also for an object that is there already, which others made."""
    with pytest.raises(kubectl.KubectlError, match="only objects named slipstream-"):
        as_operator(world, config_map("agent"))
    world.apply(config_map("mine"))
    with pytest.raises(kubectl.KubectlError, match="only objects named slipstream-"):
        kubectl.run("delete", "configmap", "mine", "-n", world.namespace, "--as", OPERATOR)
    assert kubectl.exists("configmap", "mine", world.namespace)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda j, p: j["metadata"].update(name="other"), "only objects named slipstream-"),
        (lambda j, p: p["containers"][0].update(image="elsewhere/other:1"), f"runner pods run only {RUNTIME_IMAGE}"),
        (lambda j, p: p.update(initContainers=[{"name": "i", "image": "other", "securityContext": HARDENED}]), "runner pods run only"),
        (lambda j, p: p["volumes"].append({"name": "s", "secret": {"secretName": "x"}}), "mount only ConfigMaps"),
        (lambda j, p: p["volumes"].append({"name": "s", "configMap": {"name": "foreign"}}), "mount only ConfigMaps"),
        (lambda j, p: p["volumes"].append({"name": "s", "hostPath": {"path": "/"}}), "mount only ConfigMaps"),
        (lambda j, p: p["volumes"].append({"name": "s", "projected": {"sources": []}}), "mount only ConfigMaps"),
        (
            lambda j, p: p["containers"][0]["env"].append({"name": "S", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}),
            "read no Secret",
        ),
        (lambda j, p: p["containers"][0].update(envFrom=[{"secretRef": {"name": "a"}}]), "read no Secret"),
        (lambda j, p: p.pop("automountServiceAccountToken"), "no API token"),
        (lambda j, p: p.update(serviceAccountName="admin"), "no API token"),
        (lambda j, p: p.update(hostNetwork=True), "share nothing with the node"),
        (lambda j, p: p["containers"][0].pop("securityContext"), "unprivileged"),
        (lambda j, p: p.update(securityContext={"runAsUser": 0}), "not root"),
    ],
)
def test_other_runner_pods_are_refused(world: World, change: Change, message: str) -> None:
    """One change each, one message each."""
    thing = copy.deepcopy(job())
    change(thing, thing["spec"]["template"]["spec"])
    with pytest.raises(kubectl.KubectlError, match=message):
        as_operator(world, thing)


@pytest.mark.parametrize(
    ("account", "allowed", "question"),
    [
        (OPERATOR, True, ["get", "secret/slipstream-signing-keys", "-n", SYSTEM]),
        (OPERATOR, False, ["list", "secrets", "-n", SYSTEM]),
        (OPERATOR, False, ["create", "secrets", "-n", SYSTEM]),
        (OPERATOR, False, ["get", "secrets", "-A"]),
        (OPERATOR, True, ["patch", "cachepolicies.slipstream.dev", "--subresource=status", "-A"]),
        (OPERATOR, False, ["patch", "cachepolicies.slipstream.dev", "-A"]),
        (OPERATOR, False, ["delete", "pods", "-A"]),
        (OPERATOR, False, ["create", "pods", "-A"]),
        (OPERATOR, True, ["patch", "mutatingwebhookconfigurations/slipstream-injector"]),
        (OPERATOR, False, ["patch", "mutatingwebhookconfigurations/other"]),
        (INJECTOR, True, ["get", "secret/slipstream-injector-tls", "-n", SYSTEM]),
        (INJECTOR, False, ["get", "secret/slipstream-signing-keys", "-n", SYSTEM]),
        (INJECTOR, True, ["watch", "connectionpools.slipstream.dev", "-A"]),
        (INJECTOR, False, ["list", "pods", "-A"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_roles_allow_what_they_should(installed: str, account: str, allowed: bool, question: list[str]) -> None:
    """As the API server itself judges it."""
    answer = kubectl.run("auth", "can-i", *question, "--as", account, check=False).stdout.strip()
    assert answer == ("yes" if allowed else "no")
