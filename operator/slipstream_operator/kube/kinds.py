"""Which kinds the operator touches, and their paths at the API server. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from slipstream_operator.names import GROUP, VERSION


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource of one version; `group` is empty for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str | None = None, subresource: str = "") -> str:
        """The URL's path; without a namespace that of all namespaces, without a name that of the collection."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name is not None:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/" + "/".join(quote(part, safe="") for part in parts)


CONNECTION_POOL: Final = Kind(GROUP, VERSION, "connectionpools", "ConnectionPool")
CACHE_POLICY: Final = Kind(GROUP, VERSION, "cachepolicies", "CachePolicy")
CIRCUIT_BREAKER: Final = Kind(GROUP, VERSION, "circuitbreakers", "CircuitBreaker")
LOAD_TEST: Final = Kind(GROUP, VERSION, "loadtests", "LoadTest")
POLICY_KINDS: Final = (CONNECTION_POOL, CACHE_POLICY, CIRCUIT_BREAKER)
BY_NAME: Final = {kind.kind: kind for kind in (*POLICY_KINDS, LOAD_TEST)}

POD: Final = Kind("", "v1", "pods", "Pod")
CONFIG_MAP: Final = Kind("", "v1", "configmaps", "ConfigMap")
SERVICE: Final = Kind("", "v1", "services", "Service")
SECRET: Final = Kind("", "v1", "secrets", "Secret")
EVENT: Final = Kind("", "v1", "events", "Event")
NAMESPACE: Final = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
JOB: Final = Kind("batch", "v1", "jobs", "Job")
MUTATING_WEBHOOK: Final = Kind(
    "admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", namespaced=False
)
