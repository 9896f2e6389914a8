"""Every manifest: readable, without wildcards, hardened, its selectors in step; and for each rule a document that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipstream_operator import names
from slipstream_operator.certificates.keep import SERVICE, WEBHOOK
from slipstream_operator.injector.inject import inject
from tests.fakes.manifests import ROOT, Document, but, documents, pod_problems, rbac_problems, selector_problems
from tests.fakes.pods import SETTINGS, a_pod, a_pool

ALL = list(documents())
OURS = [(path, d) for path, d in ALL if path.name != "kustomization.yaml" and "samples" not in path.parts]
SYSTEM = [d for path, d in OURS if "system" in path.parts]


def one(kind: str, name: str, folder: str = "base") -> Document:
    (found,) = [d for path, d in OURS if folder in path.parts and d["kind"] == kind and d["metadata"]["name"] == name]
    return found


DEPLOYMENT = one("Deployment", "slipstream-operator")
ROLE = one("Role", "slipstream-operator-secrets")


def container(document: Any) -> Any:
    return document["spec"]["template"]["spec"]["containers"][0]


def pod(document: Any) -> Any:
    return document["spec"]["template"]["spec"]


@pytest.mark.parametrize(("path", "document"), OURS, ids=[f"{p.relative_to(ROOT)}:{d['kind']}" for p, d in OURS])
def test_a_manifest_is_acceptable(path: Path, document: Document) -> None:
    """By every rule that concerns its kind."""
    assert document["apiVersion"]
    assert document["metadata"]["name"]
    assert rbac_problems(document) + pod_problems(document) == []


def test_every_file_belongs_to_a_kustomization() -> None:
    """One that nobody names is never applied."""
    named: set[Path] = set()
    for path, document in ALL:
        if path.name == "kustomization.yaml":
            entries = [*document.get("resources", []), *document.get("components", [])]
            named |= {(path.parent / entry).resolve() for entry in entries}
    for path, _ in OURS:
        assert path.resolve() in named or "gitops" in path.parts, path
    for path in {p for p, d in ALL if p.name == "kustomization.yaml"}:
        for entry in yaml.safe_load(path.read_text()).get("resources", []):
            assert (path.parent / entry).exists(), (path, entry)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d["rules"][0].update(verbs=["*"]), "wildcard in verbs"),
        (lambda d: d["rules"][0].update(resources=["*/*"]), "wildcard in resources"),
        (lambda d: d["rules"][0].update(apiGroups=["*"]), "wildcard in apiGroups"),
        (lambda d: d["rules"][0].pop("resourceNames"), "without names"),
        (lambda d: d["rules"][0].update(verbs=["get", "list"]), "more than get and update"),
        (lambda d: d.update(kind="ClusterRole"), "other namespaces"),
        (lambda d: d["rules"].append({"apiGroups": ["x"], "resources": ["roles"], "verbs": ["escalate"]}), "gives away"),
    ],
)
def test_a_careless_role_is_caught(change: Callable[[Any], object], problem: str) -> None:
    """The control of the rule."""
    assert rbac_problems(ROLE) == []
    assert any(problem in found for found in rbac_problems(but(ROLE, change)))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: pod(d)["securityContext"].update(runAsUser=0), "as root"),
        (lambda d: pod(d)["securityContext"].pop("runAsNonRoot"), "as root"),
        (lambda d: pod(d)["securityContext"].pop("seccompProfile"), "seccomp"),
        (lambda d: pod(d).update(hostNetwork=True), "shares"),
        (lambda d: pod(d).pop("enableServiceLinks"), "other Services"),
        (lambda d: pod(d)["volumes"].append({"name": "h", "hostPath": {"path": "/"}}), "mounts the node"),
        (lambda d: pod(d).pop("automountServiceAccountToken"), "token"),
        (lambda d: container(d)["securityContext"].pop("allowPrivilegeEscalation"), "privileges"),
        (lambda d: container(d)["securityContext"].pop("readOnlyRootFilesystem"), "write its image"),
        (lambda d: container(d)["securityContext"].pop("capabilities"), "capabilities"),
        (lambda d: container(d)["resources"].pop("limits"), "limits"),
        (lambda d: container(d)["resources"]["requests"].pop("cpu"), "requests"),
        (lambda d: container(d).pop("livenessProbe"), "livenessProbe"),
        (lambda d: container(d).pop("readinessProbe"), "readinessProbe"),
        (lambda d: container(d).update(imagePullPolicy="Always"), "each time"),
        (lambda d: pod(d).update(initContainers=[{"name": "i"}]), "slipstream-operator/i"),
    ],
)
def test_a_careless_pod_is_caught(change: Callable[[Any], object], problem: str) -> None:
    """The control of the rule."""
    assert pod_problems(DEPLOYMENT) == []
    assert any(problem in found for found in pod_problems(but(DEPLOYMENT, change)))


def test_selectors_and_labels_are_in_step() -> None:
    """Services, budgets and network policies find exactly one Deployment; target ports exist."""
    assert selector_problems(SYSTEM) == []


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("Service", lambda d: d["spec"]["selector"].update({"app.kubernetes.io/name": "other"})),
        ("Service", lambda d: d["spec"]["ports"][0].update(targetPort="nowhere")),
        ("PodDisruptionBudget", lambda d: d["spec"]["selector"]["matchLabels"].update({"app.kubernetes.io/name": "other"})),
        ("NetworkPolicy", lambda d: d["spec"]["podSelector"].update(matchLabels={"app": "x"})),
        ("Deployment", lambda d: d["spec"]["template"]["metadata"]["labels"].update({"app.kubernetes.io/name": "other"})),
    ],
)
def test_a_selector_out_of_step_is_caught(kind: str, change: Callable[[Any], object]) -> None:
    """The control of the rule."""
    first = next(d for d in SYSTEM if d["kind"] == kind)
    assert selector_problems([but(d, change) if d is first else d for d in SYSTEM])


def test_the_secrets_are_shipped_without_data() -> None:
    """With any, applying the files again would empty them."""
    secrets = {d["metadata"]["name"]: d for d in SYSTEM if d["kind"] == "Secret"}
    assert set(secrets) == {names.SIGNING_KEYS_SECRET, names.INJECTOR_TLS_SECRET}
    assert all("data" not in d and "stringData" not in d for d in secrets.values())
    allowed = {name for rule in ROLE["rules"] for name in rule["resourceNames"]}
    assert allowed == set(secrets)


def test_names_are_those_of_the_code() -> None:
    """What the programs look for is what the manifests make."""
    webhook = one("MutatingWebhookConfiguration", WEBHOOK)["webhooks"][0]
    assert one("Service", SERVICE)
    assert webhook["clientConfig"]["service"]["name"] == SERVICE
    assert webhook["clientConfig"]["service"]["path"] == "/inject"
    assert "caBundle" not in webhook["clientConfig"]
    assert webhook["objectSelector"]["matchExpressions"] == [{"key": names.LABEL_WORKLOAD, "operator": "Exists"}]
    (rule,) = one("ClusterRole", "slipstream-webhook")["rules"]
    assert rule["resourceNames"] == [WEBHOOK]
    assert {d["metadata"]["name"] for d in SYSTEM if d["kind"] == "ServiceAccount"} == {"slipstream-operator", "slipstream-injector"}


def test_the_webhook_can_neither_deny_nor_delay_for_long() -> None:
    """Ignore, five seconds, CREATE of pods alone, no namespace that the cluster needs."""
    webhook = one("MutatingWebhookConfiguration", WEBHOOK)["webhooks"][0]
    assert (webhook["failurePolicy"], webhook["timeoutSeconds"], webhook["sideEffects"]) == ("Ignore", 5, "None")
    assert webhook["reinvocationPolicy"] == "IfNeeded"
    (rule,) = webhook["rules"]
    assert (rule["operations"], rule["resources"], rule["scope"]) == (["CREATE"], ["pods"], "Namespaced")
    (excluded,) = webhook["namespaceSelector"]["matchExpressions"]
    assert excluded["operator"] == "NotIn"
    assert set(excluded["values"]) == {"kube-system", names.SYSTEM_NAMESPACE}
    assert len(webhook["matchConditions"]) == 2


def test_one_operator_two_injectors() -> None:
    """The operator never twice, not even while it is replaced; an injector always."""
    assert (DEPLOYMENT["spec"]["replicas"], DEPLOYMENT["spec"]["strategy"]["type"]) == (1, "Recreate")
    injector = one("Deployment", "slipstream-injector")["spec"]
    assert (injector["replicas"], injector["strategy"]["rollingUpdate"]["maxUnavailable"]) == (2, 0)
    assert "requiredDuringSchedulingIgnoredDuringExecution" not in str(injector["template"]["spec"]["affinity"])
    assert one("PodDisruptionBudget", "slipstream-injector")["spec"]["maxUnavailable"] == 1


def test_one_namespace_grants_what_the_cluster_does_and_no_more() -> None:
    """The Roles of namespace/ are the ClusterRoles of base/, but for what only a cluster has."""

    def rules(document: Document, without: str) -> list[Any]:
        return [rule for rule in document["rules"] if rule["resources"] not in ([without], ["namespaces"])]

    cluster, namespaced = one("ClusterRole", "slipstream-operator"), one("Role", "slipstream-operator", "namespace")
    assert rules(namespaced, "") == rules(cluster, "customresourcedefinitions")
    assert one("Role", "slipstream-injector-pools", "namespace")["rules"] == one("ClusterRole", "slipstream-injector")["rules"]
    assert not [d for path, d in OURS if "namespace" in path.parts and d["kind"].startswith("ClusterRole")]


def test_the_sidecars_policy_closes_two_ports_and_no_others() -> None:
    """A policy that selects a pod closes what it doesn't name."""
    policy = one("NetworkPolicy", "slipstream-sidecars", "components")
    everybody, operator, monitoring = policy["spec"]["ingress"]
    open_ports = {port for p in everybody["ports"] if p["protocol"] == "TCP" for port in range(p["port"], p["endPort"] + 1)}
    assert set(range(1, 65536)) - open_ports == {15980, 15990}
    assert {p["port"] for p in operator["ports"]} == {15980, 15990}
    assert {p["port"] for p in monitoring["ports"]} == {15990}
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert operator["from"][0]["podSelector"]["matchLabels"].items() <= labels.items()


def test_an_injected_sidecar_is_as_hardened_as_our_own_pods() -> None:
    """The same rules, but for the probe that a sidecar must not have: a restart cuts its pod's traffic."""
    ops = inject(a_pod(), "agents", [a_pool()], SETTINGS).ops
    sidecar = next(op["value"] for op in ops if op["path"] == "/spec/initContainers")[0]
    problems = pod_problems(but(DEPLOYMENT, lambda d: pod(d).update(initContainers=[sidecar])))
    assert problems == ["slipstream-operator/slipstream: has no livenessProbe"]
