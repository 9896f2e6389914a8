"""Finds a stored report: in a file, or by kubectl in the ConfigMap of a LoadTest's last result. Shows nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slipstream_loadtest.report.document import NoReport, read_report
from slipstream_loadtest.report.model import Report

RESULT_FILE: Final = "result.json"
KUBECTL_TIMEOUT: Final = 30.0
PREFIXES: Final = ("loadtest/", "loadtests/", "lt/")


class NotFound(Exception):  # noqa: N818 - an answer, not a malfunction
    """Why there is no report; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which one kubectl should ask; empty: its own default."""

    namespace: str = ""
    context: str = ""

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """An object, as kubectl prints it. Raises NotFound with what kubectl says."""
        kubectl = shutil.which("kubectl")
        if kubectl is None:
            raise NotFound(f"{kind}/{name} is read by kubectl, which isn't on the PATH: install it, or give a file")
        options = [f"--{option}={value}" for option, value in (("namespace", self.namespace), ("context", self.context)) if value]
        command = [kubectl, "get", kind, "--output=json", *options, "--", name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=KUBECTL_TIMEOUT, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotFound(f"kubectl get {kind} {name}: {error}") from None
        if done.returncode:
            last = done.stderr.strip().rsplit("\n", 1)[-1]  # before it, kubectl logs each of its attempts
            raise NotFound(f"kubectl get {kind} {name}: {last or f'exit code {done.returncode}'}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def load_report(place: str, cluster: Cluster) -> Report:
    """The report at `place`, a file or loadtest/NAME. Raises NotFound."""
    name = next((place.removeprefix(prefix) for prefix in PREFIXES if place.startswith(prefix)), "")
    text = _of_load_test(name, cluster) if name and not Path(place).exists() else _of_file(Path(place))
    try:
        return read_report(text)
    except NoReport as error:
        raise NotFound(f"{place}: {error}: give a file that `slipstream loadtest --report` has written, or loadtest/NAME") from None


def _of_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise NotFound(f"{file}: {error.strerror}") from None


def _of_load_test(name: str, cluster: Cluster) -> str:
    test = cluster.get("loadtests.slipstream.dev", name)
    status: Mapping[str, Any] = test.get("status") or {}
    result = (status.get("resultRef") or {}).get("name")
    if not result:
        raise NotFound(f"loadtest/{name} has no result yet: wait until `kubectl get loadtest {name}` shows one")
    namespace = (test.get("metadata") or {}).get("namespace", cluster.namespace)
    data = Cluster(namespace, cluster.context).get("configmap", str(result)).get("data") or {}
    if RESULT_FILE not in data:
        raise NotFound(f"configmap/{result} has no {RESULT_FILE}: it isn't the result of a load test")
    return str(data[RESULT_FILE])
