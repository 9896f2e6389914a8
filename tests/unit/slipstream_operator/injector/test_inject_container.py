"""The sidecar container that a pod gets, and the reasons for getting none."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from slipstream_api.sidecar import ADMIN_PORT, BOOTSTRAP_ENV, CONFIG_DIR, TLS_DIR, Bootstrap
from slipstream_operator.injector.inject import inject
from slipstream_operator.injector.sidecar import TOKEN_DIR, container
from tests.fakes.pods import NAMESPACE, SETTINGS, a_container, a_pod, a_pool, env_of, injected, outcome


def sidecar_of(pod: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod["spec"]["initContainers"][0]
    return found


def test_the_sidecar_is_the_first_init_container_and_restarts() -> None:
    """A native sidecar in front of every other init container, so that those can call upstreams too."""
    pod = injected(a_pod("agent", initContainers=[a_container("migrate")]), a_pool())
    assert [c["name"] for c in pod["spec"]["initContainers"]] == ["slipstream", "migrate"]
    assert sidecar_of(pod)["restartPolicy"] == "Always"
    assert [c["name"] for c in pod["spec"]["containers"]] == ["agent"]


def test_it_is_probed_at_its_admin_port() -> None:
    """Startup gates the pod's other containers, readiness the pod."""
    sidecar = sidecar_of(injected(a_pod(), a_pool()))
    for probe in ("startupProbe", "readinessProbe"):
        assert sidecar[probe]["httpGet"] == {"path": "/readyz", "port": ADMIN_PORT}
    assert "livenessProbe" not in sidecar


def test_it_passes_pod_security_restricted() -> None:
    """The fields that `restricted` asks of every container."""
    context = sidecar_of(injected(a_pod()))["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == 65532
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_it_is_told_what_every_sidecar_is() -> None:
    """After what is its own; nothing of it, where nothing is said, so that a pod is as it was."""
    told = replace(SETTINGS, passed={"SLIPSTREAM_TRACES": "http://collector:4318"})
    names = [[one["name"] for one in container(settings, "{}", {})["env"]] for settings in (SETTINGS, told)]
    assert names[1] == [*names[0], "SLIPSTREAM_TRACES"]
    assert names[0] == [BOOTSTRAP_ENV, "POD_UID", "POD_IP"]


def test_it_has_requests_and_limits() -> None:
    """A quota on limits refuses containers without them."""
    resources = sidecar_of(injected(a_pod()))["resources"]
    assert set(resources) == {"requests", "limits"}
    assert set(resources["limits"]) == set(resources["requests"]) == {"cpu", "memory"}


def test_annotations_say_its_resources() -> None:
    """Each of the four on its own."""
    given = {
        "slipstream.dev/cpu-request": "50m",
        "slipstream.dev/cpu-limit": "2",
        "slipstream.dev/memory-request": "128Mi",
        "slipstream.dev/memory-limit": "1Gi",
    }
    resources = sidecar_of(injected(a_pod(annotations=given)))["resources"]
    assert resources == {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "2", "memory": "1Gi"}}


def test_a_bad_resource_annotation_is_told_and_left_aside() -> None:
    """The API server would refuse the whole pod for it."""
    result = inject(a_pod(annotations={"slipstream.dev/cpu-limit": "much"}), NAMESPACE, (), SETTINGS)
    assert result.outcome == "Injected"
    assert "slipstream.dev/cpu-limit" in result.warnings[0]
    assert "'much'" in result.warnings[0]


def test_the_bootstrap_carries_cluster_keys_and_endpoints() -> None:
    """Everything that a sidecar has to know before anybody configures it."""
    env = env_of(sidecar_of(injected(a_pod(), a_pool())))
    bootstrap = msgspec.json.decode(env[BOOTSTRAP_ENV], type=Bootstrap)
    assert (bootstrap.cluster, bootstrap.namespace, bootstrap.workload) == ("cluster-uid", NAMESPACE, "agent")
    assert bootstrap.keys == {"k1": "cHVibGlj"}
    assert [(e.host, e.port, e.listen_port, e.alias) for e in bootstrap.endpoints] == [("memory-server", 8080, 15900, True)]


def test_uid_and_address_come_from_the_downward_api() -> None:
    """A pod has neither at admission."""
    env = {e["name"]: e for e in sidecar_of(injected(a_pod()))["env"]}
    assert env["POD_UID"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.uid"
    assert env["POD_IP"]["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"


def test_the_workloads_secret_of_tls_files_is_mounted_but_not_needed() -> None:
    """By the kubelet: nobody reads it through the API."""
    pod = injected(a_pod("search-agent", volumes=[{"name": "data", "emptyDir": {}}]))
    volume = pod["spec"]["volumes"][2]
    assert volume["secret"] == {"secretName": "slipstream-tls-search-agent", "optional": True}
    mounts = {m["mountPath"]: m["name"] for m in sidecar_of(pod)["volumeMounts"]}
    assert mounts[TLS_DIR] == volume["name"]


def test_the_workloads_config_map_is_mounted_but_not_needed() -> None:
    """Optional, so that a pod starts without operator or policy."""
    pod = injected(a_pod("search-agent", volumes=[{"name": "data", "emptyDir": {}}]))
    volume = pod["spec"]["volumes"][1]
    assert volume["configMap"] == {"name": "slipstream-search-agent", "optional": True}
    mounts = {m["mountPath"]: m["name"] for m in sidecar_of(pod)["volumeMounts"]}
    assert mounts[CONFIG_DIR] == volume["name"]


def test_the_sidecar_gets_no_api_token() -> None:
    """Admission mounts a token only where nothing is mounted yet."""
    assert TOKEN_DIR in {m["mountPath"] for m in sidecar_of(injected(a_pod()))["volumeMounts"]}
    assert TOKEN_DIR == "/var/run/secrets/kubernetes.io/serviceaccount"


def test_the_status_annotation_says_what_the_pod_was_given() -> None:
    """The operator compares it with the pools."""
    pod = injected(a_pod(annotations={"other": "1"}), a_pool())
    status = json.loads(pod["metadata"]["annotations"]["slipstream.dev/status"])
    assert status["version"] == "0.1.0"
    assert status["conflicts"] == []
    assert [(e["host"], e["port"], e["alias"]) for e in status["endpoints"]] == [("memory-server", 8080, True)]
    assert pod["metadata"]["annotations"]["other"] == "1"


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (a_pod(None), "NoWorkload"),
        (a_pod(annotations={"slipstream.dev/inject": "false"}), "OptedOut"),
        (a_pod(annotations={"slipstream.dev/inject": " False "}), "OptedOut"),
        (a_pod(hostNetwork=True), "HostNetwork"),
        (a_pod(os={"name": "windows"}), "Windows"),
        (a_pod(initContainers=[a_container("slipstream", restartPolicy="Always")]), "AlreadyInjected"),
        (a_pod("Not_A_Name"), "InvalidWorkload"),
        (a_pod(""), "InvalidWorkload"),
        (a_pod("agent", a_container("slipstream")), "NameTaken"),
        (a_pod(volumes=[{"name": "slipstream-config", "emptyDir": {}}]), "NameTaken"),
        (a_pod(volumes=[{"name": "slipstream-tls", "emptyDir": {}}]), "NameTaken"),
        (a_pod("agent", a_container(ports=[{"containerPort": 15990}])), "ReservedPort"),
        (a_pod("agent", a_container(ports=[{"containerPort": 15900}])), "ReservedPort"),
    ],
)
def test_some_pods_are_left_alone(pod: dict[str, Any], expected: str) -> None:
    """No operation at all, and the reason."""
    result = inject(pod, NAMESPACE, [a_pool()], SETTINGS)
    assert (result.outcome, result.ops) == (expected, ())


@pytest.mark.parametrize(
    "pod",
    [
        a_pod(),
        a_pod(annotations={"slipstream.dev/inject": "true"}),
        a_pod(hostNetwork=False),
        a_pod(os={"name": "linux"}),
        a_pod("a" * 63),
        a_pod("agent", a_container(ports=[{"containerPort": 15990, "protocol": "UDP"}])),
        a_pod("agent", a_container(ports=[{"containerPort": 15901}])),
    ],
)
def test_their_neighbours_are_injected(pod: dict[str, Any]) -> None:
    """The control of the test above."""
    assert outcome(pod, [a_pool()]) == "Injected"


def test_a_pod_that_is_left_alone_for_a_mistake_says_so() -> None:
    """A warning shows at `kubectl apply`; an opt-out is no mistake."""
    assert inject(a_pod("Not_A_Name"), NAMESPACE, (), SETTINGS).warnings
    assert not inject(a_pod(annotations={"slipstream.dev/inject": "false"}), NAMESPACE, (), SETTINGS).warnings
