"""A kubelet for runner Jobs: each becomes real runner processes on loopback, seen as pods of a FakeKube. Judges nothing."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from slipstream_loadtest.report.files import PLAN_FILE
from slipstream_operator.kube.kinds import JOB, POD, Kind
from tests.fakes.fake_kube import FakeKube


def _address(index: int) -> str:
    """Of this process alone: two runs of the tests on one machine don't take each other's runners for their own."""
    pid = os.getpid()
    return f"127.{16 + pid // 65536 % 16}.{pid // 256 % 256}.{pid % 128 * 2 + index % 2}" if index < 2 else f"127.9.{pid % 256}.{index}"


class RunnerPods:
    """Watches a FakeKube for Jobs. `processes`: pod name → process."""

    def __init__(self, kube: FakeKube, folder: Path) -> None:
        self.kube, self.folder = kube, folder
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self._tasks: list[asyncio.Task[None]] = []
        kube.listeners.append(self._heard)

    def _heard(self, kind: Kind, what: str, obj: dict[str, Any]) -> None:
        if kind == JOB and what == "ADDED":
            for index in range(obj["spec"]["completions"]):
                self._tasks.append(asyncio.create_task(self._pod(obj, index)))

    async def _pod(self, job: dict[str, Any], index: int) -> None:
        """One runner, from its pod's creation to its last phase."""
        template, name = job["spec"]["template"], f"{job['metadata']['name']}-{index}"
        namespace, ip, uid = job["metadata"]["namespace"], _address(index), f"pod-{name}"
        container = template["spec"]["containers"][0]
        volume = template["spec"]["volumes"][0]["configMap"]["name"]
        plan = self.folder / f"{volume}-{index}.json"
        plan.write_text(self.kube.objects["configmaps", namespace, volume]["data"][PLAN_FILE])
        env = {e["name"]: e["value"] for e in container["env"] if "value" in e}
        env |= {
            "SLIPSTREAM_PLAN": str(plan),
            "POD_UID": uid,
            "JOB_COMPLETION_INDEX": str(index),
            "SLIPSTREAM_RUNNER_HOST": ip,
            "SLIPSTREAM_TERMINATION_LOG": str(self.folder / f"{name}.termination"),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, *container["command"][1:], env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        self.processes[name] = process
        labels = {**template["metadata"]["labels"]}
        annotations = {"batch.kubernetes.io/job-completion-index": str(index)}
        pod = {
            "metadata": {"namespace": namespace, "name": name, "uid": uid, "labels": labels, "annotations": annotations},
            "spec": template["spec"],
            "status": {"phase": "Running", "podIP": ip},
        }
        self.kube.seed(POD, pod)
        printed, _ = await process.communicate()
        self.kube.printed[namespace, name, "runner"] = printed.decode()
        if ("pods", namespace, name) in self.kube.objects:
            phase = "Succeeded" if process.returncode == 0 else "Failed"
            self.kube.seed(POD, pod | {"status": {"phase": phase, "podIP": ip}})

    def kill(self, name: str) -> None:
        """SIGKILL, as an OOM kill or a lost node would."""
        self.processes[name].kill()

    async def close(self) -> None:
        """Ends what is still running."""
        for process in self.processes.values():
            if process.returncode is None:
                process.kill()
        await asyncio.gather(*self._tasks, return_exceptions=True)
