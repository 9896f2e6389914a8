"""Slipstream as the benchmarks run it, a process of its own: `python bench/sidecar.py CONFIG`, a file of a RuntimeConfig; measures nothing.

At SIGHUP the file is read and put in force again; each time, one line says with which result.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from slipstream_api.clock import MonotonicClock
from slipstream_api.config import RuntimeConfig, decode
from slipstream_runtime.runtime import ConfigRefused, Runtime


def read(path: Path) -> RuntimeConfig:
    return decode(path.read_bytes())


async def serve(path: Path) -> None:
    runtime, changed = Runtime(MonotonicClock()), asyncio.Event()
    await runtime.start(None)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, changed.set)
    while True:
        try:
            print("applied", (await runtime.apply(read(path), "Local"))[:12], flush=True)
        except ConfigRefused as refused:
            print("refused", refused, flush=True)
        await changed.wait()
        changed.clear()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
