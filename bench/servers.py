"""The processes that a benchmark measures or needs, each on its core: started, watched through /proc, ended; knows no proxy."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, Self

from slipstream_api.config import RuntimeConfig, canonical

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent
COMPILED: Final = ROOT / "build" / "compiled"
TICK: Final = os.sysconf("SC_CLK_TCK")
SIDECAR: Final = "slipstream"


class Servers:
    """`with Servers() as servers`: a folder in memory, a port for each name, and processes that end with the block, whatever happens."""

    def __init__(self, pure: bool = False, python: str = sys.executable) -> None:
        """`pure`: never the compiled modules; `python`: the interpreter of the sidecar."""
        if shutil.which("taskset") is None:
            raise SystemExit("taskset is missing, which keeps each process on its core: apt-get install util-linux")
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise SystemExit("this needs two cores, one for the proxy, one for load and upstream")
        self.load_core, self.proxy_core = cores[0], cores[-1]
        self.python = python
        self.environment, self.compiled = modules(pure)
        self.ports: dict[str, int] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        shm = Path("/dev/shm")
        self._temporary = tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None)
        self.folder = Path(self._temporary.name)

    def __enter__(self) -> Self:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the processes are ended then, too
        allow_descriptors()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._temporary.cleanup()

    def port(self, name: str) -> int:
        """Where `name` listens, the same at every call."""
        if name not in self.ports:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.ports[name] = int(probe.getsockname()[1])
        return self.ports[name]

    def start(self, name: str, core: int, command: list[str], environment: dict[str, str] | None = None) -> None:
        """One server, ready when it listens; what it says is shown where it ends too early."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            self.processes[name] = subprocess.Popen(["taskset", "-c", str(core), *command], stdout=output, stderr=output, env=environment)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            if (code := self.processes[name].poll()) is not None:
                raise SystemExit(f"{name} ended with {code}: {log.read_text(errors='replace')[-2000:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port(name)), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise SystemExit(f"{name} doesn't listen on its port after 30 s: {log.read_text(errors='replace')[-2000:]}")

    def script(self, name: str, core: int, *arguments: str) -> None:
        """A server that is a file of this folder; its port comes first."""
        self.start(name, core, [sys.executable, str(HERE / f"{name}.py"), str(self.port(name)), *arguments])

    def sidecar(self, config: RuntimeConfig) -> None:
        """Slipstream, compiled where there is something compiled; `config` listens on `port(SIDECAR)`."""
        self.configure(config)
        command = [self.python, str(HERE / "sidecar.py"), str(self.folder / "config.json")]
        self.start(SIDECAR, self.proxy_core, command, self.environment)

    def configure(self, config: RuntimeConfig) -> None:
        """The configuration that Slipstream starts with, or changes to when it runs already."""
        path = self.folder / "config.json"
        new = path.with_suffix(".new")
        new.write_bytes(canonical(config))
        new.rename(path)
        if SIDECAR in self.processes:
            self.processes[SIDECAR].send_signal(signal.SIGHUP)

    def pid(self, name: str) -> int:
        return self.processes[name].pid

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()


def allow_descriptors(needed: int = 0) -> None:
    """As many open files as this user may have, for this process and for those it starts."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < needed:
        raise SystemExit(f"this needs {needed} open files and may have {most}: raise it (ulimit -Hn, as root), or use fewer clients")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def modules(pure: bool) -> tuple[dict[str, str], str]:
    """The environment of Slipstream's process, and whether it runs compiled modules: yes, no, or stale where sources have changed since."""
    if pure or not COMPILED.is_dir():
        return dict(os.environ), "no"
    environment = dict(os.environ) | {"PYTHONPATH": str(COMPILED)}
    ask = "from slipstream_runtime.proxy import client; print(client.__file__)"
    found = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True).stdout.strip()
    if not (found.startswith(str(COMPILED)) and found.endswith(".so")):
        raise SystemExit(f"{COMPILED} is there, yet {found} is what runs: `make compile` again, or --pure")
    sources = [path for folder in ("runtime/slipstream_runtime", "crds/slipstream_api") for path in (ROOT / folder).rglob("*.py")]
    built = [COMPILED / Path(*path.relative_to(ROOT).parts[1:]) for path in sources]
    same = all(copy.exists() and copy.read_bytes() == path.read_bytes() for path, copy in zip(sources, built, strict=True))
    if not same:
        print("the sources have changed since `make compile`: what was built is measured", file=sys.stderr)
    return environment, "yes" if same else "stale"


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of what it has started, which is where Varnish works."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = " ".join(task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/children")).split()
    return (int(fields[11]) + int(fields[12])) / TICK + sum(cpu_seconds(int(child)) for child in children)


def memory_mb(pid: int, field: str = "VmRSS") -> float:
    """Resident memory; VmHWM is its highest value ever."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1e3


def descriptors(pid: int) -> int:
    """Open files and sockets."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
