"""The workloads of the stories as manifests: memory server, agents, policies; builders with defaults, nothing is applied here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Manifest = dict[str, Any]
GROUP = "slipstream.dev"
MEMORY_IMAGE = "slipstream-memory-server:dev"
AGENT_PORT = 9000
AGENT_SOURCE = Path(__file__).parent.parent / "agent" / "agent.py"

HARDENED_POD: Manifest = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
HARDENED: Manifest = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
SMALL: Manifest = {"requests": {"cpu": "20m", "memory": "48Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}


def memory_server(name: str = "memory-server", replicas: int = 1) -> list[Manifest]:
    """Deployment and Service of the memory server, on port 8080."""
    pod = {
        "terminationGracePeriodSeconds": 2,
        "securityContext": HARDENED_POD,
        "containers": [
            {
                "name": "memory-server",
                "image": MEMORY_IMAGE,
                "imagePullPolicy": "Never",
                "args": ["--host", "0.0.0.0", "--port", "8080", "--db", "/data/memory.db"],
                "ports": [{"containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
                "resources": SMALL | {"limits": {"cpu": "1", "memory": "512Mi"}},
                "securityContext": HARDENED,
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }
        ],
        "volumes": [{"name": "data", "emptyDir": {}}],
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 8080, "targetPort": 8080}]},
    }
    return [deployment(name, pod, replicas), service]


def agent_source() -> Manifest:
    """The ConfigMap with the agent's program."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "agent"}, "data": {"agent.py": AGENT_SOURCE.read_text()}}


def agent(
    name: str,
    workload: str = "",
    replicas: int = 1,
    port: int = AGENT_PORT,
    annotations: dict[str, str] | None = None,
    declare: bool = True,
) -> Manifest:
    """A Deployment that calls the memory server; with `workload` its pods carry the label that asks for a sidecar."""
    container: Manifest = {
        "name": "agent",
        "image": MEMORY_IMAGE,
        "imagePullPolicy": "Never",
        "command": ["python", "/agent/agent.py"],
        "env": [{"name": "PORT", "value": str(port)}],
        "readinessProbe": {"exec": {"command": ["test", "-e", "/agent/agent.py"]}, "periodSeconds": 1},
        "resources": SMALL,
        "securityContext": HARDENED,
        "volumeMounts": [{"name": "agent", "mountPath": "/agent"}],
    }
    if declare:
        container["ports"] = [{"containerPort": port}]
        container["readinessProbe"] = {"httpGet": {"path": "/", "port": port}, "periodSeconds": 1}
    pod = {
        "terminationGracePeriodSeconds": 2,
        "securityContext": HARDENED_POD,
        "containers": [container],
        "volumes": [{"name": "agent", "configMap": {"name": "agent"}}],
    }
    labels = {f"{GROUP}/workload": workload} if workload else {}
    return deployment(name, pod, replicas, labels, annotations or {})


def deployment(
    name: str, pod: Manifest, replicas: int = 1, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None
) -> Manifest:
    """A Deployment of `pod`, selected by the label app."""
    template = {"metadata": {"labels": {"app": name, **(labels or {})}, "annotations": annotations or {}}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def policy(kind: str, name: str, spec: Manifest) -> Manifest:
    """A resource of slipstream.dev/v1alpha1."""
    return {"apiVersion": f"{GROUP}/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def pool(name: str = "memory", workloads: tuple[str, ...] = ("agent",), intercept: str = "HostAlias", **spec: Any) -> Manifest:
    """A ConnectionPool to the memory server."""
    upstream = {"protocol": "HTTP", "host": "memory-server", "port": 8080}
    return policy("ConnectionPool", name, {"workloads": list(workloads), "upstream": upstream, "listen": {"intercept": intercept}, **spec})


def refs(*pools: str) -> list[Manifest]:
    """targetRefs to pools."""
    return [{"group": GROUP, "kind": "ConnectionPool", "name": name} for name in pools]


def cache(name: str = "memory", pools: tuple[str, ...] = ("memory",), ttl: str = "5m", **spec: Any) -> Manifest:
    """A CachePolicy for recalls, partitioned by session, invalidated by remembering."""
    recall = {
        "name": "recall",
        "match": {"http": {"methods": ["GET"], "path": "/episodic/recall"}},
        "ttl": ttl,
        "staleIfError": "10m",
        "partition": {"type": "Header", "headers": ["X-Session-Id"]},
        "tags": ["events"],
    }
    remember = {"name": "remember", "match": {"http": {"methods": ["POST"], "path": "/episodic/remember"}}, "tags": ["events"]}
    return policy("CachePolicy", name, {"targetRefs": refs(*pools), "rules": [recall], "invalidations": [remember], **spec})


def breaker(name: str = "memory", pools: tuple[str, ...] = ("memory",), **rule: Any) -> Manifest:
    """A CircuitBreaker that trips early and recovers soon, with a static answer while open."""
    default = {
        "name": "default",
        "match": {},
        "window": {"type": "Time", "duration": "10s", "minimumCalls": 5},
        "trip": {"failureRatePercent": 50},
        "open": {"duration": "3s"},
        "halfOpen": {"maxProbes": 1, "successRatePercent": 100, "minimumProbes": 1},
        "fallback": [{"type": "Static", "status": 503, "body": '{"degraded":true}', "retryAfter": "5s"}],
    }
    return policy("CircuitBreaker", name, {"targetRefs": refs(*pools), "rules": [default | rule]})
