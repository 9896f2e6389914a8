"""Reviews as a real API server (Kubernetes 1.35) sent them, and the patches that they get, byte for byte.

A patch that is meant to change: SLIPSTREAM_ACCEPT=1 pytest tests/contract/test_recorded_reviews.py, and read the difference.
"""

from __future__ import annotations

import base64
import copy
import json
import os
from pathlib import Path
from typing import Any

import jsonpatch
import pytest

from slipstream_api.clock import ManualClock
from slipstream_operator.injector.metrics import Metrics
from slipstream_operator.injector.pools import PoolIndex
from slipstream_operator.injector.server import Reviewer
from tests.fakes.pods import SETTINGS, env_of

FOLDER = Path(__file__).parent / "admission"
REVIEWS = sorted(path.name.removesuffix(".review.json") for path in FOLDER.glob("*.review.json"))
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"


def pools() -> PoolIndex:
    """Two pools of the namespace, one of them for both workloads; and one of another namespace."""
    index = PoolIndex()
    for name, namespace, workloads, port, intercept in (
        ("memory", "agents", ["agent", "server"], 8080, "HostAlias"),
        ("tools", "agents", ["agent"], 9000, "Environment"),
        ("foreign", "other", ["agent"], 1, "HostAlias"),
    ):
        upstream = {"protocol": "HTTP", "host": f"{name}-server", "port": port}
        spec = {"workloads": workloads, "upstream": upstream, "listen": {"intercept": intercept}}
        index.put({"metadata": {"name": name, "namespace": namespace}, "spec": spec})
    return index


def review(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.review.json").read_text())
    return found


def response(body: dict[str, Any]) -> dict[str, Any]:
    under_test = Reviewer(pools(), lambda: SETTINGS, Metrics(), ManualClock())
    found: dict[str, Any] = json.loads(under_test.answer(json.dumps(body).encode()))["response"]
    return found


def operations(answer: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(base64.b64decode(answer.get("patch", ""))) if "patch" in answer else []
    return found


def admitted(name: str) -> dict[str, Any]:
    """The pod after admission."""
    body = review(name)
    pod: dict[str, Any] = jsonpatch.apply_patch(copy.deepcopy(body["request"]["object"]), operations(response(body)))
    return pod


@pytest.mark.parametrize("name", REVIEWS)
def test_a_recorded_review_gets_its_patch(name: str) -> None:
    """With its own uid; nothing is left to chance in it."""
    body = review(name)
    answer = response(body)
    assert (answer["uid"], answer["allowed"]) == (body["request"]["uid"], True)
    golden = FOLDER / f"{name}.patch.json"
    text = json.dumps(operations(answer), indent=1, sort_keys=True) + "\n"
    if os.environ.get("SLIPSTREAM_ACCEPT"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("name", REVIEWS)
def test_the_same_review_after_the_patch_gets_none(name: str) -> None:
    """As with reinvocationPolicy IfNeeded."""
    body = review(name)
    body["request"]["object"] = admitted(name)
    assert operations(response(body)) == []


def test_pools_of_another_namespace_do_not_count() -> None:
    """The request's namespace decides."""
    env = env_of(admitted("deployment")["spec"]["containers"][0])
    assert {"SLIPSTREAM_MEMORY_URL", "SLIPSTREAM_TOOLS_URL"} <= env.keys()
    assert "SLIPSTREAM_FOREIGN_URL" not in env


def test_a_variable_of_the_pod_can_refer_to_ours() -> None:
    """$(NAME) works for what stands before it."""
    names = [entry["name"] for entry in admitted("deployment")["spec"]["containers"][0]["env"]]
    assert names.index("SLIPSTREAM_MEMORY_URL") < names.index("BASE")


def test_a_token_stays_with_the_containers_that_had_it() -> None:
    """The sidecar's place for it is taken by something else."""
    pod = admitted("deployment")
    sidecar, migrate = pod["spec"]["initContainers"]
    mounts = {c["name"]: {m["mountPath"]: m["name"] for m in c["volumeMounts"]} for c in (sidecar, migrate)}
    assert mounts["migrate"][TOKEN].startswith("kube-api-access")
    assert mounts["slipstream"][TOKEN] == "slipstream-config"


def test_the_recordings_differ_as_they_should() -> None:
    """A runner without aliases, a conflict on 8080, an opt-out without a patch."""
    assert "hostAliases" not in admitted("runner")["spec"]
    assert "PortConflict" in admitted("statefulset")["metadata"]["annotations"]["slipstream.dev/status"]
    assert "patch" not in response(review("opted-out"))
    assert len(admitted("annotated")["spec"]["hostAliases"]) == 3
