"""Finds a stored report: in a file, or by kubectl in the ConfigMaps of a LoadTest's runs. Shows nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from slipstream_loadtest.measured.packed import NotPacked, unpacked
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.plan.model import Plan, decode_plan
from slipstream_loadtest.report.bounded import PLAN_DATA, completed
from slipstream_loadtest.report.document import NoReport, read_report
from slipstream_loadtest.report.files import MEASURED_FILE, PLAN_FILE, RESULT_FILE
from slipstream_loadtest.report.model import Report

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
    """The report at `place`: a file, loadtest/NAME for its last result, or loadtest/NAME/RUN. Raises NotFound."""
    name = next((place.removeprefix(prefix) for prefix in PREFIXES if place.startswith(prefix)), "")
    if not name or Path(place).exists():
        return _read(place, _of_file(Path(place)))
    name, _, run = name.partition("/")
    return _of_load_test(place, name, run, cluster)


def _read(place: str, text: str | bytes) -> Report:
    try:
        return read_report(text)
    except NoReport as error:
        raise NotFound(f"{place}: {error}: give a file that `slipstream loadtest --report` has written, or loadtest/NAME") from None


def _of_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise NotFound(f"{file}: {error.strerror}") from None


def _of_load_test(place: str, name: str, run: str, cluster: Cluster) -> Report:
    """Out of the ConfigMap of the result; what is too large for the document lies beside it, and in the plan's."""
    test = cluster.get("loadtests.slipstream.dev", name)
    result = _result_of(name, run, test.get("status") or {})
    there = Cluster((test.get("metadata") or {}).get("namespace", cluster.namespace), cluster.context)
    found = there.get("configmap", result)
    text = (found.get("data") or {}).get(RESULT_FILE)
    if text is None:
        raise NotFound(f"configmap/{result} has no {RESULT_FILE}: it isn't the result of a load test")
    report = _read(place, str(text))
    return completed(report, _measured(found), _plan(report, result, there))


def _result_of(name: str, run: str, status: Mapping[str, Any]) -> str:
    """Name of the ConfigMap of the last result, or of that run's. Raises NotFound with the runs that there are."""
    last = str((status.get("resultRef") or {}).get("name") or "")
    if not run:
        if not last:
            raise NotFound(f"loadtest/{name} has no result yet: wait until `kubectl get loadtest {name}` shows one")
        return last
    known = {str(record.get("run")): str(record["result"]) for record in status.get("history") or () if record.get("result")}
    known |= {str(status.get("run")): last} if last else {}
    if run not in known:
        others = f"it has those of {', '.join(sorted(known, key=int))}" if known else "it has none yet"
        raise NotFound(f"loadtest/{name} has no result of run {run}: {others}")
    return known[run]


def _measured(found: Mapping[str, Any]) -> Result | None:
    """What lies beside the document; None where nothing does, or not of this version."""
    text = (found.get("binaryData") or {}).get(MEASURED_FILE)
    try:
        return unpacked(str(text)) if text else None
    except NotPacked:
        return None


def _plan(report: Report, result: str, there: Cluster) -> Plan | None:
    """Asked for only where the document lacks it; one that is gone, or of another version, leaves the report as it is."""
    if report.plan is not None and PLAN_DATA not in report.omitted:
        return None
    try:
        stored = there.get("configmap", result.removesuffix("-result") + "-plan")
        return decode_plan(str((stored.get("data") or {})[PLAN_FILE]))
    except (NotFound, KeyError, ValueError, msgspec.MsgspecError):
        return None
