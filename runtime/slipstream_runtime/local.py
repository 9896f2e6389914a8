"""The admin API on a Unix socket that only its user can open: status, explain, commands of `slipstream run`. Serves no traffic."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from aiohttp import web

from slipstream_runtime.control.admin import local_app
from slipstream_runtime.runtime import Runtime


class LocalServer:
    """Open while `slipstream run` runs."""

    def __init__(self, runner: web.AppRunner, path: Path) -> None:
        self._runner = runner
        self._path = path

    @classmethod
    async def open(cls, runtime: Runtime, path: Path) -> LocalServer:
        """Listens at `path`; OSError when another `slipstream run` does. A socket that nobody listens at is replaced."""
        _make_room(path)
        runner = web.AppRunner(local_app(runtime), access_log=None)
        await runner.setup()
        before = os.umask(0o177)  # for the moment of its making: nobody else may open it
        try:
            await web.UnixSite(runner, str(path)).start()
        finally:
            os.umask(before)
        return cls(runner, path)

    async def close(self) -> None:
        await self._runner.cleanup()
        self._path.unlink(missing_ok=True)


def _make_room(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        if _listened_at(path):
            raise OSError(f"another `slipstream run` listens at {path}: end it, or name another socket with --socket")
        path.unlink()


def _listened_at(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
