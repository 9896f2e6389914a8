"""What makes a manifest of ours acceptable, as functions from documents to lists of problems; each test shows that they find some."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2] / "manifests"
Document = dict[str, Any]
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")


def documents(folder: Path = ROOT) -> Iterator[tuple[Path, Document]]:
    """Every document of every YAML file."""
    for path in sorted(folder.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if document is not None:
                yield path, document


def rbac_problems(document: Document) -> list[str]:
    """No wildcard anywhere in a role, no escalating verb, Secrets by name only."""
    if document.get("kind") not in ("Role", "ClusterRole"):
        return []
    name, found = document["metadata"]["name"], []
    for rule in document["rules"]:
        found += [f"{name}: a wildcard in {field}" for field in ("apiGroups", "resources", "verbs") if "*" in "".join(rule[field])]
        if set(rule["verbs"]) & {"escalate", "bind", "impersonate"}:
            found.append(f"{name}: a verb that gives away more than it says")
        if "secrets" in rule["resources"]:
            if not rule.get("resourceNames"):
                found.append(f"{name}: Secrets without names")
            if not set(rule["verbs"]) <= {"get", "update"}:
                found.append(f"{name}: more than get and update of Secrets")
            if document["kind"] == "ClusterRole":
                found.append(f"{name}: Secrets of other namespaces")
    return found


def pod_problems(document: Document) -> list[str]:
    """Hardening of a pod template and each of its containers."""
    if document.get("kind") not in WORKLOADS:
        return []
    pod = document["spec"]["template"]["spec"]
    name, found = document["metadata"]["name"], []
    context = pod.get("securityContext") or {}
    if not context.get("runAsNonRoot") or not context.get("runAsUser"):
        found.append(f"{name}: may run as root")
    if (context.get("seccompProfile") or {}).get("type") != "RuntimeDefault":
        found.append(f"{name}: no seccomp profile")
    if any(pod.get(field) for field in ("hostNetwork", "hostPID", "hostIPC")):
        found.append(f"{name}: shares something with the node")
    if pod.get("enableServiceLinks") is not False:
        found.append(f"{name}: gets other Services as environment, under names like ours")
    if any("hostPath" in volume for volume in pod.get("volumes") or []):
        found.append(f"{name}: mounts the node")
    if "automountServiceAccountToken" not in pod:
        found.append(f"{name}: doesn't say whether it needs a token")
    for container in [*pod["containers"], *(pod.get("initContainers") or [])]:
        found += [f"{name}/{container['name']}: {problem}" for problem in _container_problems(container)]
    return found


def _container_problems(container: Mapping[str, Any]) -> Iterator[str]:
    context, resources = container.get("securityContext") or {}, container.get("resources") or {}
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "may write its image"
    if (context.get("capabilities") or {}).get("drop") != ["ALL"]:
        yield "keeps capabilities"
    for bound in ("requests", "limits"):
        if set(resources.get(bound) or {}) != {"cpu", "memory"}:
            yield f"has no {bound} of cpu and memory"
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe not in container:
            yield f"has no {probe}"
    if container.get("imagePullPolicy") != "IfNotPresent":
        yield "pulls its image each time"


def selector_problems(documents_: list[Document]) -> list[str]:
    """Every selector of ours finds the pods of a Deployment, and a Deployment its own; ports have names that exist."""
    deployments = [d for d in documents_ if d["kind"] == "Deployment"]
    labels = [d["spec"]["template"]["metadata"]["labels"] for d in deployments]
    found = []
    for deployment, own in zip(deployments, labels, strict=True):
        if not _matches(deployment["spec"]["selector"]["matchLabels"], own):
            found.append(f"Deployment {deployment['metadata']['name']} doesn't select its own pods")
    for document in documents_:
        name = f"{document['kind']} {document['metadata']['name']}"
        wanted = _selector(document)
        if wanted is None:
            continue
        hits = [d for d, own in zip(deployments, labels, strict=True) if _matches(wanted, own)]
        if len(hits) != 1:
            found.append(f"{name} selects {len(hits)} Deployments")
        elif document["kind"] == "Service":
            ports = {p["name"] for c in hits[0]["spec"]["template"]["spec"]["containers"] for p in c.get("ports", [])}
            found += [f"{name}: no port {p['targetPort']}" for p in document["spec"]["ports"] if p["targetPort"] not in ports]
    return found


def _selector(document: Document) -> Mapping[str, str] | None:
    match document["kind"]:
        case "Service":
            return dict(document["spec"]["selector"])
        case "PodDisruptionBudget":
            return dict(document["spec"]["selector"]["matchLabels"])
        case "NetworkPolicy" if "matchLabels" in document["spec"]["podSelector"]:
            return dict(document["spec"]["podSelector"]["matchLabels"])
    return None


def _matches(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def but(document: Document, change: Callable[[Any], object]) -> Document:
    """A copy with a change, for controls."""
    other = copy.deepcopy(document)
    change(other)
    return other
