"""How the operator talks to runner pods: state, signed start and abort, part, acknowledgement. Bounded in time and size; judges nothing."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from slipstream_api.sidecar import RUNNER_PORT
from slipstream_loadtest.engine.progress import Progress
from slipstream_operator.delivery.client import SidecarClient, Unreachable

Phase = Literal["Preparing", "Ready", "Running", "Draining", "Done", "Aborted"]
PART_LIMIT: Final = 16 << 20  # bytes; 50 stages of 20 scenarios are a tenth of it


class RunnerState(msgspec.Struct, frozen=True, rename="camel"):
    """Answer of GET /state."""

    phase: Phase
    run: str
    index: int
    attempt: str
    start_at: float | None = None
    digest: str | None = None
    progress: Progress | None = None


class RunnerClient(SidecarClient):
    """Calls of the runner's port; raises Unreachable for everything that isn't a runner's answer."""

    def __init__(self, *, port: int = RUNNER_PORT, timeout: float = 5.0) -> None:
        super().__init__(port=port, timeout=timeout, limit=PART_LIMIT)

    async def state(self, ip: str) -> RunnerState:
        code, body = await self._call("GET", ip, "/state")
        try:
            if code == 200:
                return msgspec.json.decode(body, type=RunnerState)
        except msgspec.MsgspecError as error:
            raise Unreachable(f"{ip}: the state isn't a runner's: {error}") from error
        raise Unreachable(f"{ip}: /state answered {code}")

    async def start(self, ip: str, envelope: bytes) -> None:
        await self._told(ip, "/start", envelope)

    async def abort(self, ip: str, envelope: bytes) -> None:
        await self._told(ip, "/abort", envelope)

    async def part(self, ip: str) -> bytes:
        """The encoded part of a runner that is Done or Aborted."""
        code, body = await self._call("GET", ip, "/part")
        if code != 200:
            raise Unreachable(f"{ip}: /part answered {code}")
        return body

    async def so_far(self, ip: str) -> bytes | None:
        """The encoded part of a run that lasts, as far as it goes; None where there is none yet."""
        code, body = await self._call("GET", ip, "/part/progress")
        return body if code == 200 else None

    async def acknowledge(self, ip: str, digest: str) -> None:
        await self._told(ip, "/ack", msgspec.json.encode({"digest": digest}))

    async def _told(self, ip: str, path: str, body: bytes) -> None:
        code, answer = await self._call("POST", ip, path, body)
        if code != 200:
            raise Unreachable(f"{ip}: {path} answered {code}: {answer[:200].decode('utf-8', 'replace')}")
