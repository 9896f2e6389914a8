"""One namespace of a story and what can be done in it; holds no expectations of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from e2e.harness import kubectl, workloads
from e2e.harness.waiting import eventually
from e2e.harness.workloads import AGENT_PORT

Manifest = dict[str, Any]


@dataclass(frozen=True)
class World:
    """A namespace with the workloads of a story."""

    namespace: str

    def apply(self, *manifests: Manifest) -> str:
        """Applies client-side; what kubectl printed."""
        return kubectl.apply(list(manifests), self.namespace)

    def get(self, kind: str, name: str) -> Any:
        return kubectl.get(kind, name, self.namespace)

    def delete(self, kind: str, name: str, *flags: str) -> None:
        kubectl.delete(kind, name, self.namespace, *flags)

    def pods(self, app: str) -> list[Manifest]:
        """Pods of a Deployment that are not going away."""
        return [p for p in kubectl.get("pods", "", self.namespace, f"app={app}") if not p["metadata"].get("deletionTimestamp")]

    def ready(self, *deployments: str, timeout: float = 120.0) -> None:
        """Waits for rollouts."""
        for name in deployments:
            kubectl.run("rollout", "status", f"deployment/{name}", "-n", self.namespace, f"--timeout={timeout:.0f}s", timeout=timeout + 10)

    def injector_answers(self) -> None:
        """Waits until the API server reaches the injector: a ready pod precedes the node's rules for its Service. By dry runs."""
        template = workloads.agent("probe", "probe")["spec"]["template"]
        metadata = {"name": "probe", "labels": template["metadata"]["labels"]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}

        def injected() -> bool:
            made = kubectl.out("create", "--dry-run=server", "-o", "yaml", "-n", self.namespace, "-f", "-", stdin=yaml.safe_dump(pod))
            return any(c["name"] == "slipstream" for c in yaml.safe_load(made)["spec"].get("initContainers", ()))

        eventually(injected, "a pod made now gets a sidecar", 60)

    def settle_cached_agent(self, replicas: int = 1) -> World:
        """Pool, cache, memory server and an agent, with the cache in force on every pod; what most stories begin with."""
        self.apply(workloads.pool(), workloads.cache(), workloads.agent_source(), *workloads.memory_server())
        self.ready("memory-server")
        self.apply(workloads.agent("agent", "agent", replicas=replicas))
        self.ready("agent")
        self.wait_condition("cachep", "memory", "Ready", "True")
        return self

    def agent(self, app: str = "agent") -> str:
        """Name of the one ready pod of an agent."""
        return str(self.pods(app)[0]["metadata"]["name"])

    def ask(self, pod: str, url: str, session: str = "", method: str = "GET", body: str = "", port: int = AGENT_PORT) -> Any:
        """One call made by the agent in `pod`: {status, headers, body}."""
        query: list[tuple[str, str]] = [("method", method), ("url", url)]
        query += [("body", body)] if body else []
        query += [("header", f"X-Session-Id:{session}")] if session else []
        return kubectl.pod_get(self.namespace, pod, port, "/ask", query)

    def read_twice(self, url: str, app: str = "agent") -> dict[str, str]:
        """Headers of the second of two equal reads by one session, both of which succeed."""
        answers = [self.ask(self.agent(app), url, session="s") for _ in range(2)]
        assert [answer["status"] for answer in answers] == [200, 200], answers
        return dict(answers[1]["headers"])

    def agent_get(self, pod: str, path: str, query: Sequence[tuple[str, str]] = (), port: int = AGENT_PORT) -> Any:
        """Another of the agent's own paths."""
        return kubectl.pod_get(self.namespace, pod, port, path, query)

    def served(self, operation: str, app: str = "memory-server") -> int:
        """How often the memory server itself has served an operation: its own counter, not the sidecar's."""
        pod = self.pods(app)[0]["metadata"]["name"]
        stats = kubectl.pod_get(self.namespace, pod, 8080, "/stats")
        return int(stats["operations"].get(operation, 0))

    def condition(self, kind: str, name: str, type_: str) -> Manifest:
        return kubectl.condition(self.get(kind, name), type_)

    def wait_condition(self, kind: str, name: str, type_: str, status: str, reason: str = "", timeout: float = 60.0) -> Manifest:
        """Waits until a condition of the current generation has that status (and reason); the condition."""

        def look() -> Manifest | None:
            thing = self.get(kind, name)
            found = kubectl.condition(thing, type_)
            assert found["status"] == status, found
            assert not reason or found["reason"] == reason, found
            assert found.get("observedGeneration", thing["metadata"]["generation"]) == thing["metadata"]["generation"], found
            return found

        seen = eventually(look, f"{kind}/{name}: {type_}={status}{'/' + reason if reason else ''}", timeout)
        assert seen is not None
        return seen
