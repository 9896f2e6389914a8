"""Child processes that never outlive their parent, whatever ends it. Starts and ends processes; knows nothing of what they do."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ChildFailed(Exception):  # noqa: N818 - an answer, not a malfunction
    """A child that ended or didn't get ready; the message has its last words."""


def _die_with_parent(parent: int) -> Callable[[], None]:
    """Run in the child before exec: it is killed when the parent's thread ends, also by SIGKILL."""

    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # the parent ended in between
                os._exit(1)

    return prepare


class Children:
    """A context that ends all of its children: SIGTERM, then SIGKILL after a while, in the reverse order of their start."""

    def __init__(self, folder: Path, grace: float = 5.0) -> None:
        self.folder = folder
        self.grace = grace
        self.running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        """Starts `python COMMAND…`; what it says goes to a log in the folder."""
        log = (self.folder / f"{name}.log").open("wb")
        with log:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own modules
                [sys.executable, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the parent, which ends its children itself
                preexec_fn=_die_with_parent(os.getpid()),
            )
        self.running.append((name, process))
        return process

    def wait_until(self, name: str, ready: Callable[[], bool], timeout: float) -> None:
        """Until `ready` says so; ChildFailed when the child ends before or takes too long."""
        process = next(p for n, p in self.running if n == name)
        pause = threading.Event()
        deadline = time.monotonic() + timeout
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                what = f"ended with {process.returncode}" if process.poll() is not None else f"wasn't ready within {timeout:.0f} s"
                raise ChildFailed(f"{name} {what}: {self.last_words(name)}")
            pause.wait(0.05)

    def last_words(self, name: str) -> str:
        """The end of a child's log."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-800:].strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for _, process in reversed(self.running):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(self.grace)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def rss_bytes(pid: int) -> int:
    """Resident memory of a process (VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
