"""The sidecar as a container, and what its pod gets beside it. Pure: builds dicts that pass Pod Security `restricted`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from slipstream_api.config import canonical
from slipstream_api.sidecar import ADMIN_PORT, BOOTSTRAP_ENV, CONFIG_DIR, TLS_DIR, Bootstrap
from slipstream_operator.injector.resources import Defaults
from slipstream_operator.injector.routes import Routes
from slipstream_operator.names import SIDECAR_CONTAINER, workload_config_map, workload_tls_secret

VOLUME: Final = "slipstream-config"
TLS_VOLUME: Final = "slipstream-tls"
PORT_NAME: Final = "slipstream"
USER: Final = 65532
# Where the API server would mount the workload's token. The sidecar needs no API, so this place is taken: see `container`.
TOKEN_DIR: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
START_SECONDS: Final = 120  # how long a sidecar may take to come up on a busy node before it is started anew


@dataclass(frozen=True, slots=True)
class Settings:
    """What every sidecar of a cluster has in common. `keys`: key id → base64 of the raw Ed25519 public key."""

    image: str
    cluster: str
    keys: Mapping[str, str] = field(default_factory=dict)
    pull_policy: str = "IfNotPresent"
    version: str = ""
    defaults: Defaults = field(default_factory=Defaults)
    passed: Mapping[str, str] = field(default_factory=dict)  # further variables of its environment


def bootstrap(settings: Settings, namespace: str, workload: str, routes: Routes) -> str:
    """Equal pods get equal texts."""
    value = Bootstrap(
        cluster=settings.cluster,
        namespace=namespace,
        workload=workload,
        endpoints=routes.endpoints,
        passthrough=routes.passthrough,
        keys=dict(settings.keys),
    )
    return canonical(value).decode()


def container(settings: Settings, start: str, resources: Mapping[str, Any]) -> dict[str, Any]:
    """A native sidecar (KEP-753): up before every other container, gone after them, and no obstacle to a Job's end."""
    return {
        "name": SIDECAR_CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.pull_policy,
        "restartPolicy": "Always",
        "env": [
            {"name": BOOTSTRAP_ENV, "value": start},
            {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            *[{"name": name, "value": value} for name, value in settings.passed.items()],
        ],
        "ports": [{"name": PORT_NAME, "containerPort": ADMIN_PORT, "protocol": "TCP"}],
        "startupProbe": _probe(period=1, failures=START_SECONDS, timeout=2),
        "readinessProbe": _probe(period=5, failures=3, timeout=2),
        "resources": {bound: dict(values) for bound, values in resources.items()},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": VOLUME, "mountPath": CONFIG_DIR, "readOnly": True},
            {"name": TLS_VOLUME, "mountPath": TLS_DIR, "readOnly": True},
            # A container that has something here already is left without the workload's API token.
            {"name": VOLUME, "mountPath": TOKEN_DIR, "readOnly": True},
        ],
    }


def volumes(workload: str) -> list[dict[str, Any]]:
    """Optional, so that no pod waits for a policy, for the operator, or for a Secret that most workloads don't have."""
    return [
        {"name": VOLUME, "configMap": {"name": workload_config_map(workload), "optional": True}},
        {"name": TLS_VOLUME, "secret": {"secretName": workload_tls_secret(workload), "optional": True}},
    ]


def host_aliases(routes: Routes) -> list[dict[str, Any]]:
    return [{"ip": address, "hostnames": list(names)} for address, names in sorted(routes.aliases.items())]


def status(version: str, routes: Routes) -> str:
    """The annotation by which the operator knows what a pod was given."""
    value = {"version": version, "endpoints": routes.endpoints, "conflicts": routes.conflicts}
    if routes.passthrough:
        value["passthrough"] = routes.passthrough
    return msgspec.json.encode(value, order="sorted").decode()


def _probe(*, period: int, failures: int, timeout: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": "/readyz", "port": ADMIN_PORT},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": timeout,
    }
