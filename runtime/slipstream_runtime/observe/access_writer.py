"""Writes the access log's lines from a thread of its own: a full pipe holds up nobody but this thread. Chooses no line."""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Callable
from typing import Final

from slipstream_runtime.observe.access import AccessLog

SECONDS: Final = 0.2  # between two writes

log = logging.getLogger("slipstream.access")


def to_stdout(share: float) -> tuple[AccessLog, AccessWriter] | None:
    """An access log with its writer, started; None where no answer is to have a line. A process' own log and words go to stderr."""
    if not share:
        return None
    access = AccessLog(share, random.random)
    writer = AccessWriter(access, lambda data: os.write(1, data))
    writer.start()
    return access, writer


class AccessWriter:
    """`start`, then `stop`; what waits at the end is still written, unless the reader doesn't read."""

    def __init__(self, access: AccessLog, write: Callable[[bytes], object]) -> None:
        self._access = access
        self._write = write
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 1.0) -> None:
        self._over.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            while not self._over.wait(SECONDS):
                self._once()
            self._once()
        except (OSError, ValueError) as error:  # whoever read has closed; the lines to come are counted as dropped
            log.warning("access log ends", extra={"detail": str(error)})

    def _once(self) -> None:
        data = self._access.take()
        if data:
            self._write(data)
