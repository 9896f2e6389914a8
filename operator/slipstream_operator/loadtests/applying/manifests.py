"""The objects of a run: plan, Job, result. Pure: builds dicts, never applies them.

Names are `slipstream-lt-<test>-<run>[-plan|-result]`: at most 40 characters of the test's own, so all fit into 63.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipstream_api.sidecar import RUNNER_PORT
from slipstream_loadtest.report.files import MEASURED_FILE, PLAN_FILE, RESULT_FILE
from slipstream_operator.kube.kinds import LOAD_TEST
from slipstream_operator.loadtests.facts import LoadTestFacts
from slipstream_operator.names import FIELD_MANAGER, LABEL_MANAGED_BY, LABEL_ROLE, LABEL_WORKLOAD, ROLE_RUNNER

PLAN_DIR: Final = "/etc/slipstream-plan"
TERMS_FILE: Final = "terms.json"  # in the plan's ConfigMap: on which terms the run is held
LABEL_TEST: Final = "slipstream.dev/loadtest"
LABEL_RUN: Final = "slipstream.dev/run"
LABEL_OUTCOME: Final = "slipstream.dev/outcome"

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunnerPod:
    """What the operator's settings say about runner pods. Quantities as Kubernetes writes them."""

    image: str
    cluster_id: str
    public_keys: Mapping[str, str]  # key id -> base64 of the raw Ed25519 public key
    cpu_request: str = "100m"
    cpu_limit: str = "1"
    memory: str = "256Mi"
    pull_policy: str = "IfNotPresent"


def object_name(test: str, run: int) -> str:
    """Name of a run's Job; plan and result add a suffix."""
    return f"slipstream-lt-{test}-{run}"


def plan_config_map(test: LoadTestFacts, run: int, plan: str, terms: str) -> Manifest:
    """The frozen plan of a run, and its terms; it goes with the LoadTest."""
    return _config_map(test, run, "plan", {PLAN_FILE: plan, TERMS_FILE: terms}) | {"immutable": True}


def result_config_map(test: LoadTestFacts, run: int, result: str, measured: str, passed: bool) -> Manifest:
    """What a run measured (`measured`: base64) and how it was judged; outlives the Job, goes with the LoadTest."""
    manifest = _config_map(test, run, "result", {RESULT_FILE: result})
    manifest["metadata"]["labels"][LABEL_OUTCOME] = "passed" if passed else "failed"
    return manifest | ({"binaryData": {MEASURED_FILE: measured}} if measured else {})


def _config_map(test: LoadTestFacts, run: int, suffix: str, data: dict[str, str]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(test, run, f"{object_name(test.name, run)}-{suffix}"),
        "data": data,
    }


def job(test: LoadTestFacts, run: int, count: int, seconds: int, workload: str, pod: RunnerPod, replacements: int = 0) -> Manifest:
    """The Indexed Job: `count` runners, each replaced at most `replacements` times, all gone after `seconds` whatever happens."""
    labels = {LABEL_TEST: test.name, LABEL_RUN: str(run), LABEL_ROLE: ROLE_RUNNER} | ({LABEL_WORKLOAD: workload} if workload else {})
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(test, run, object_name(test.name, run)),
        "spec": {
            "completionMode": "Indexed",
            "completions": count,
            "parallelism": count,
            # A runner that replaces another after the start would measure another stretch of time: it is told no start.
            "backoffLimitPerIndex": replacements,
            "maxFailedIndexes": count,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": seconds,
            "template": {"metadata": {"labels": labels}, "spec": _pod_spec(test, run, workload, pod)},
        },
    }


def _pod_spec(test: LoadTestFacts, run: int, workload: str, pod: RunnerPod) -> Manifest:
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "runner",
                "image": pod.image,
                "imagePullPolicy": pod.pull_policy,
                "command": ["python", "-m", "slipstream_loadtest.runner"],
                "env": [
                    {"name": "SLIPSTREAM_PLAN", "value": f"{PLAN_DIR}/{PLAN_FILE}"},
                    {"name": "SLIPSTREAM_RUN", "value": f"{test.uid}/{run}"},
                    {"name": "SLIPSTREAM_CLUSTER", "value": pod.cluster_id},
                    {"name": "SLIPSTREAM_NAMESPACE", "value": test.namespace},
                    {"name": "SLIPSTREAM_WORKLOAD", "value": workload},
                    {"name": "SLIPSTREAM_KEYS", "value": _json(pod.public_keys)},
                    {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
                ],
                "ports": [{"name": "runner", "containerPort": RUNNER_PORT}],
                "resources": {
                    "requests": {"cpu": pod.cpu_request, "memory": pod.memory},
                    "limits": {"cpu": pod.cpu_limit, "memory": pod.memory},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": "plan", "mountPath": PLAN_DIR, "readOnly": True}],
            }
        ],
        "volumes": [{"name": "plan", "configMap": {"name": f"{object_name(test.name, run)}-plan"}}],
    }


def _metadata(test: LoadTestFacts, run: int, name: str) -> Manifest:
    return {
        "name": name,
        "namespace": test.namespace,
        "labels": {LABEL_TEST: test.name, LABEL_RUN: str(run), LABEL_MANAGED_BY: FIELD_MANAGER},
        "ownerReferences": [
            {
                "apiVersion": LOAD_TEST.api_version,
                "kind": LOAD_TEST.kind,
                "name": test.name,
                "uid": test.uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    }


def _json(value: Mapping[str, str]) -> str:
    return json.dumps(dict(value), sort_keys=True, separators=(",", ":"))
