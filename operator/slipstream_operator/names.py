"""Names that operator, injector, manifests and sidecars agree on: labels, annotations, objects, keys. Pure constants; holds no logic."""

from __future__ import annotations

from typing import Final

GROUP: Final = "slipstream.dev"
VERSION: Final = "v1alpha1"
FIELD_MANAGER: Final = "slipstream-operator"
SYSTEM_NAMESPACE: Final = "slipstream-system"

LABEL_WORKLOAD: Final = "slipstream.dev/workload"
LABEL_ROLE: Final = "slipstream.dev/role"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
ROLE_RUNNER: Final = "runner"

ANNOTATION_INJECT: Final = "slipstream.dev/inject"
ANNOTATION_UPSTREAMS: Final = "slipstream.dev/upstreams"
ANNOTATION_STATUS: Final = "slipstream.dev/status"
ANNOTATION_ROTATE: Final = "slipstream.dev/rotate"  # on the signing keys: a new text asks for a new key
ANNOTATION_ROTATED: Final = "slipstream.dev/rotated"  # the text that was answered last

SIDECAR_CONTAINER: Final = "slipstream"

SIGNING_KEYS_SECRET: Final = "slipstream-signing-keys"  # noqa: S105 - the name of an object
SIGNING_KEYS_FIELD: Final = "signing-keys.json"
INJECTOR_TLS_SECRET: Final = "slipstream-injector-tls"  # noqa: S105 - the name of an object
PUBLIC_KEYS_CONFIG_MAP: Final = "slipstream-public-keys"  # data: keys.json, and `cluster`, the cluster's id
CLUSTER_FIELD: Final = "cluster"


def workload_config_map(workload: str) -> str:
    """The one ConfigMap that a workload's sidecars mount."""
    return f"slipstream-{workload}"


def workload_tls_secret(workload: str) -> str:
    """The one Secret that a workload's sidecars mount, if there is one: their user makes it, and nobody else reads it."""
    return f"slipstream-tls-{workload}"
