"""Words to runners: signed start and abort, fetching a part, saying that it is safe. Who can't be reached is told at the next look."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from slipstream_api.envelope import Kind as EnvelopeKind
from slipstream_api.envelope import pod_audience, sign
from slipstream_loadtest.measured.part import digest, find_parts
from slipstream_operator.delivery.client import Unreachable
from slipstream_operator.delivery.keystore import KeyStore
from slipstream_operator.errors import NotFound
from slipstream_operator.kube.client import Kube
from slipstream_operator.loadtests.client import RunnerClient
from slipstream_operator.loadtests.facts import LoadTestFacts, RunnerFacts
from slipstream_operator.loadtests.gathering.gather import Memory

log = logging.getLogger(__name__)
EXPIRY: Final = 60  # seconds that a command may travel
RUNNER_CONTAINER: Final = "runner"


class _Whose(msgspec.Struct):
    """As much of a part as says whose it is."""

    run: str = ""
    attempt: str = ""


class Words:
    """One per process."""

    def __init__(self, kube: Kube, client: RunnerClient, keys: KeyStore, cluster: str, wall: Callable[[], float]) -> None:
        self._kube, self._client, self._keys, self._cluster, self._wall = kube, client, keys, cluster, wall
        self._sequence = 0

    async def start(self, test: LoadTestFacts, runners: tuple[RunnerFacts, ...], at: float) -> None:
        """The common start, unix seconds."""
        await self._tell(test, runners, "Start", {"startAt": at})

    async def abort(self, test: LoadTestFacts, runners: tuple[RunnerFacts, ...], because: str) -> None:
        """Drain and hand over what there is; the parts give the reason back."""
        await self._tell(test, runners, "Command", {"op": "Abort", "reason": because})

    async def _tell(self, test: LoadTestFacts, runners: tuple[RunnerFacts, ...], kind: EnvelopeKind, payload: Mapping[str, Any]) -> None:
        self._sequence = max(self._sequence + 1, int(self._wall() * 1000))

        async def one(runner: RunnerFacts) -> None:
            audience = pod_audience(self._cluster, test.namespace, runner.workload, runner.uid)
            key, expires = self._keys.signer(), int(self._wall()) + EXPIRY
            body = msgspec.json.encode(payload)
            envelope = sign(
                key.private, key.id, kind=kind, audience=audience, sequence=self._sequence, payload=body, expires=expires
            ).encode()
            send = self._client.start if kind == "Start" else self._client.abort
            try:
                await send(runner.ip, envelope)
            except Unreachable as error:
                log.warning("runner %s: %s", runner.pod, error)

        await asyncio.gather(*(one(runner) for runner in runners))

    async def collect(self, test: LoadTestFacts, runner: RunnerFacts, memory: Memory) -> None:
        """The part over HTTP while the runner serves it; from its log when it has ended; else it is lost."""
        if not runner.over:
            try:
                part = await self._client.part(runner.ip)
            except Unreachable as error:
                log.warning("runner %s: %s", runner.pod, error)
                return
            if _whose(part) == (f"{test.uid}/{test.run}", runner.uid):  # its address may be another pod's by now
                memory.parts[runner.index] = part
            return
        try:
            found = find_parts((await self._kube.logs(test.namespace, runner.pod, RUNNER_CONTAINER)).splitlines())
        except NotFound:
            found = find_parts(())
        if found.parts:
            memory.parts[runner.index] = next(reversed(found.parts.values()))
        else:
            log.warning("runner %s ended without a part: %s", runner.pod, "; ".join(found.broken.values()) or "none in its log")
            memory.lost.add(runner.index)

    async def acknowledge(self, runner: RunnerFacts) -> None:
        """Its part is safe; asked for anew, since a restart may have forgotten it."""
        if runner.phase not in ("Done", "Aborted"):
            return
        try:
            await self._client.acknowledge(runner.ip, digest(await self._client.part(runner.ip)))
        except Unreachable as error:
            log.info("runner %s: %s", runner.pod, error)


def _whose(part: bytes) -> tuple[str, str]:
    try:
        who = msgspec.json.decode(part, type=_Whose)
    except msgspec.MsgspecError:
        return ("", "")
    return (who.run, who.attempt)
