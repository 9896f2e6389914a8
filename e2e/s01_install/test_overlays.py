"""Story 1: every way to install builds, and what an overlay changes arrives everywhere that it must."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.conftest import ROOT
from e2e.harness import kubectl

MANIFESTS = ROOT / "manifests"


def built(folder: Path) -> list[dict[str, Any]]:
    """The objects that `kubectl apply -k` would apply."""
    return [d for d in yaml.safe_load_all(kubectl.out("kustomize", str(folder))) if d]


def overlay(tmp_path: Path, **content: list[str | Path]) -> Path:
    """A kustomization that names folders of ours; kustomize wants them relative."""
    relative = {f: [os.path.relpath(e, tmp_path) if isinstance(e, Path) else e for e in entries] for f, entries in content.items()}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(relative))
    return tmp_path


def one(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [d for d in objects if d["kind"] == kind and d["metadata"]["name"] == name]
    return found


@pytest.mark.parametrize("folder", ["default", "namespace", "namespace/admin"])
def test_it_builds_and_carries_no_placeholder(folder: str) -> None:
    """What only replacements read isn't applied; every image has a tag."""
    objects = built(MANIFESTS / folder)
    assert objects
    assert not [d for d in objects if d["kind"] == "PodTemplate" or d["metadata"]["name"] == "settings"]
    for thing in objects:
        if thing["kind"] == "Deployment":
            assert [c["image"] for c in thing["spec"]["template"]["spec"]["containers"]] == ["slipstream-operator:dev"]


def test_one_namespace_needs_nothing_of_the_cluster() -> None:
    """The namespace's part has namespaced objects only, all in it; the administrator's part names it wherever it matters."""
    objects = built(MANIFESTS / "namespace")
    assert {d["metadata"].get("namespace") for d in objects} == {"team-a"}
    assert {s["namespace"] for d in objects for s in d.get("subjects", [])} == {"team-a"}
    assert "slipstream-system" not in yaml.safe_dump(objects)
    admin = built(MANIFESTS / "namespace" / "admin")
    webhook = one(admin, "MutatingWebhookConfiguration", "slipstream-injector")["webhooks"][0]
    assert webhook["clientConfig"]["service"]["namespace"] == "team-a"
    assert webhook["namespaceSelector"]["matchExpressions"][0]["values"] == ["team-a"]
    (condition,) = one(admin, "ValidatingAdmissionPolicy", "slipstream-operator-writes")["spec"]["matchConditions"]
    assert "system:serviceaccount:team-a:slipstream-operator" in condition["expression"]


def test_an_image_is_changed_in_one_place(tmp_path: Path) -> None:
    """As manifests/README.md says: containers, sidecars, runners and the policy follow."""
    images = tmp_path / "images"
    images.mkdir()
    for file in (MANIFESTS / "components" / "images").iterdir():
        text = (
            file.read_text()
            .replace("newName: slipstream-", "newName: registry.example:5000/slipstream-")
            .replace("newTag: dev", "newTag: v1")
        )
        (images / file.name).write_text(text)
    objects = built(overlay(tmp_path, resources=[ROOT / "crds", MANIFESTS / "base"], components=["images"]))
    runtime = "registry.example:5000/slipstream-runtime:v1"
    for name in ("slipstream-operator", "slipstream-injector"):
        (container,) = one(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"]
        assert container["image"] == "registry.example:5000/slipstream-operator:v1"
        assert {"name": "SLIPSTREAM_RUNTIME_IMAGE", "value": runtime} in container["env"]
    variables = one(objects, "ValidatingAdmissionPolicy", "slipstream-operator-writes")["spec"]["variables"]
    assert {"name": "runtimeImage", "expression": f"'{runtime}'"} in variables


def test_with_cert_manager_its_secret_is_its_own(tmp_path: Path) -> None:
    """The empty Secret isn't shipped then, and cert-manager's injector finds the webhook."""
    components: list[str | Path] = [MANIFESTS / "components" / "cert-manager"]
    objects = built(overlay(tmp_path, resources=[MANIFESTS / "default"], components=components))
    assert [d["metadata"]["name"] for d in objects if d["kind"] == "Secret"] == ["slipstream-signing-keys"]
    annotations = one(objects, "MutatingWebhookConfiguration", "slipstream-injector")["metadata"]["annotations"]
    assert annotations == {"cert-manager.io/inject-ca-from": "slipstream-system/slipstream-injector"}
    assert one(objects, "Certificate", "slipstream-injector")["spec"]["secretName"] == "slipstream-injector-tls"


def test_argo_cds_configuration_gets_the_health_checks(tmp_path: Path) -> None:
    """Beside what is in it."""
    (tmp_path / "cm.yaml").write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "argocd-cm", "namespace": "argocd"},
                "data": {"url": "https://x"},
            }
        )
    )
    objects = built(overlay(tmp_path, resources=["cm.yaml"], components=[MANIFESTS / "gitops" / "argocd"]))
    data = one(objects, "ConfigMap", "argocd-cm")["data"]
    assert data["url"] == "https://x"
    assert len([key for key in data if key.startswith("resource.customizations.health.slipstream.dev_")]) == 4
