"""Fixtures of the stories: the right cluster, Slipstream installed in it, a namespace for each story. Expects nothing, asserts nothing."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.harness import kubectl
from e2e.harness.world import World

ROOT = Path(__file__).parent.parent
ALLOWED_CONTEXTS = os.environ.get("SLIPSTREAM_E2E_CONTEXTS", "kind-slipstream kind-next").split()
SYSTEM = "slipstream-system"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A story may take minutes: volumes come after 90 s, images are started, namespaces go."""
    for item in items:
        item.add_marker(pytest.mark.timeout(420))


@pytest.fixture(scope="session", autouse=True)
def cluster() -> str:
    """The context in use; the stories delete what they made, so they run only where that is meant."""
    context = subprocess.run(["kubectl", "config", "current-context"], capture_output=True, text=True, check=False).stdout.strip()
    if context not in ALLOWED_CONTEXTS:
        pytest.exit(
            f"the stories run against contexts {', '.join(ALLOWED_CONTEXTS)}, not {context or 'none'}: "
            "use `make e2e`, or name the context in SLIPSTREAM_E2E_CONTEXTS",
            returncode=2,
        )
    return context


@pytest.fixture(scope="session")
def fresh() -> set[str]:
    """Deployments that run this checkout's images already: a restart brings them, since they keep their tag between runs."""
    return set()


@pytest.fixture(scope="module")
def installed(cluster: str, fresh: set[str]) -> str:
    """Slipstream as `kubectl apply -k manifests/default` installs it; anew for each story, since the first one uninstalls it."""
    kubectl.run("apply", "-k", str(ROOT / "manifests" / "default"))
    for name in ("slipstream-operator", "slipstream-injector"):
        if name not in fresh:
            kubectl.run("rollout", "restart", f"deployment/{name}", "-n", SYSTEM)
            fresh.add(name)
    for name in ("slipstream-operator", "slipstream-injector"):
        kubectl.run("rollout", "status", f"deployment/{name}", "-n", SYSTEM, "--timeout=90s")
    return SYSTEM


@pytest.fixture(scope="module")
def world(installed: str, request: pytest.FixtureRequest) -> Iterator[World]:
    """A namespace of the story's own, deleted in the background afterwards (kept with SLIPSTREAM_E2E_KEEP=1)."""
    story = request.module.__name__.rsplit(".", 1)[-1].removeprefix("test_").replace("_", "-")[:24]
    name = f"e2e-{story}-{uuid.uuid4().hex[:5]}"
    kubectl.run("create", "namespace", name)
    made = World(name)
    made.injector_answers()
    yield made
    if not os.environ.get("SLIPSTREAM_E2E_KEEP"):
        kubectl.delete("namespace", name, "", "--wait=false")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failed story shows its namespace: resources, pods, events, the last words of sidecars and operator."""
    report = yield
    world = getattr(item, "funcargs", {}).get("world")
    if report.when == "call" and report.failed and isinstance(world, World):
        for title, args in (
            ("policies", ["get", "cpool,cachep,cbk,lt", "-o", "wide", "-n", world.namespace]),
            ("pods", ["get", "pods", "-o", "wide", "-n", world.namespace]),
            ("events", ["get", "events", "-n", world.namespace, "--sort-by=.lastTimestamp"]),
            ("sidecars", ["logs", "-l", "slipstream.dev/workload", "-c", "slipstream", "-n", world.namespace, "--prefix"]),
            ("operator", ["logs", "deployment/slipstream-operator", "-n", SYSTEM, "--tail=60"]),
        ):
            done = kubectl.run(*args, check=False)
            report.sections.append((title, (done.stdout + done.stderr)[-6000:]))
    return report
