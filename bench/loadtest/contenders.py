"""The generators that are compared: how each is installed, and one run of each as requests a second and CPU per request. Judges nothing.

CPU of a whole process is that of what it has started and ended; what k6 and Locust need to start is measured once and left out.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parent.parent.parent
CACHE: Final = ROOT / ".cache" / "loadtest"
K6: Final = "go.k6.io/k6@v1.8.0"
LOCUST: Final = "locust==2.47.0"
PATH: Final = "/recall?q=word"

K6_SCRIPT: Final = """import http from 'k6/http';
export const options = { vus: %d, %s, discardResponseBodies: true, summaryTrendStats: ['p(99)'] };
export default function () { http.get('%s'); }
export function handleSummary(data) { return { stdout: JSON.stringify(data.metrics.http_reqs.values) }; }
"""
LOCUST_FILE: Final = """from locust import FastHttpUser, task
class Reader(FastHttpUser):
    @task
    def read(self):
        self.client.get("%s")
"""


class Measured(NamedTuple):
    """One run. `rate`: requests a second of wall-clock time."""

    rate: float
    cpu_us: float

    @property
    def per_cpu_second(self) -> float:
        return 1e6 / self.cpu_us


Contender = Callable[[str, int, float], Measured]


def ours(url: str, users: int, seconds: float) -> Measured:
    found = generator(url=url, users=users, seconds=seconds)
    if found["failed"]:
        raise SystemExit(f"{found['failed']} of {found['offered']} calls failed: nothing was measured")
    return Measured(found["rate"], found["cpu_us"])


def generator(**asked: Any) -> dict[str, Any]:
    """One run of our generator in a process of its own, on this process's core."""
    with start(**asked) as process:
        return finished(process)


def start(*, url: str, users: int = 64, rate: int = 0, seconds: float = 5, raw: bool = False) -> subprocess.Popen[str]:
    asked = json.dumps({"url": url, "users": users, "rate": rate, "seconds": seconds, "raw": raw})
    return subprocess.Popen([sys.executable, "-m", "loadtest.generator", asked], stdout=subprocess.PIPE, text=True, env=environment())


def finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    printed, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the generator ended with {process.returncode}")
    return dict(json.loads(printed))


def environment() -> dict[str, str]:
    return dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parent.parent)}


def wrk(url: str, users: int, seconds: float) -> Measured:
    printed, cpu = _run(["wrk", "-t1", f"-c{users}", f"-d{round(seconds)}s", url + PATH])
    rate, total = re.search(r"Requests/sec: *([\d.]+)", printed), re.search(r"(\d+) requests in", printed)
    assert rate is not None
    assert total is not None
    return Measured(float(rate[1]), cpu / int(total[1]) * 1e6)


def k6() -> Contender:
    """k6 on one thread of Go's, installed once by Go's own means."""
    binary = CACHE / "k6"
    if not binary.exists():
        _install(["go", "install", K6], {"GOBIN": str(CACHE)})

    def run(url: str, users: int, seconds: float, only: int = 0) -> tuple[dict[str, float], float]:
        script = CACHE / "read.js"
        length = f"iterations: {only}" if only else f"duration: '{round(seconds)}s'"
        script.write_text(K6_SCRIPT % (users, length, url + PATH))
        command = [str(binary), "run", "--quiet", "--no-usage-report", "--log-output=none", str(script)]
        printed, cpu = _run(command, {"GOMAXPROCS": "1"})
        return json.loads(printed[printed.index("{") :]), cpu

    def contend(url: str, users: int, seconds: float) -> Measured:
        started = run(url, users, seconds, only=users)[1]
        values, cpu = run(url, users, seconds)
        return Measured(values["rate"], max(1e-9, cpu - started) / values["count"] * 1e6)

    return contend


def locust() -> Contender:
    """Locust's fast client in one process, in a virtual environment of its own."""
    binary = CACHE / "locust" / "bin" / "locust"
    if not binary.exists():
        _install([sys.executable, "-m", "venv", str(CACHE / "locust")])
        _install([str(binary.with_name("pip")), "install", "-q", LOCUST])

    def run(url: str, users: int, seconds: float) -> tuple[dict[str, Any], float]:
        script = CACHE / "locustfile.py"
        script.write_text(LOCUST_FILE % PATH)
        command = [str(binary), "-f", str(script), "--headless", "-u", str(users), "-r", str(users), "-t", f"{round(seconds)}s"]
        printed, cpu = _run([*command, "-H", url, "--json", "--only-summary", "--loglevel", "ERROR"])
        paths = json.loads(printed[printed.index("[") :])
        return paths[0] if paths else {"num_requests": 0}, cpu  # a short run on a busy machine may end before its first answer

    def contend(url: str, users: int, seconds: float) -> Measured:
        short, cpu_short = run(url, users, 1)
        long, cpu_long = run(url, users, 1 + seconds)
        if not long["num_requests"]:
            raise SystemExit("locust made no request: the machine is too busy, or --seconds too short")
        requests = long["num_requests"] - short["num_requests"]
        elapsed = long["last_request_timestamp"] - long["start_time"]
        return Measured(long["num_requests"] / elapsed, max(1e-9, cpu_long - cpu_short) / max(1, requests) * 1e6)

    return contend


def available(names: list[str]) -> dict[str, Contender]:
    """Ours first. What Debian has must be there; k6 needs Go, Locust PyPI."""
    CACHE.mkdir(parents=True, exist_ok=True)
    for program, package in {"wrk": "wrk", "k6": "golang-go"}.items():
        needed = "go" if program == "k6" and not (CACHE / "k6").exists() else program if program == "wrk" else "true"
        if program in names and shutil.which(needed) is None:
            raise SystemExit(f"{program} is missing: apt-get install {package}, or leave it out with --against")
    make: dict[str, Callable[[], Contender]] = {"k6": k6, "locust": locust, "wrk": lambda: wrk}
    return {"ours": ours} | {name: make[name]() for name in names}


def _run(command: list[str], more: dict[str, str] | None = None) -> tuple[str, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    printed = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ) | (more or {}))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not printed.stdout:
        raise SystemExit(f"{' '.join(command)} ended with {printed.returncode}: {printed.stderr[-2000:]}")
    return printed.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _install(command: list[str], more: dict[str, str] | None = None) -> None:
    if subprocess.run(command, check=False, env=dict(os.environ) | (more or {})).returncode:
        raise SystemExit(f"{' '.join(command)} failed; leave this one out with --against")
