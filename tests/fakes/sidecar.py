"""A sidecar's admin port on a loopback address of its own: verifies envelopes for real, enforces nothing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping

import msgspec
from aiohttp import web

from slipstream_api.config import RuntimeConfig, decode, revision
from slipstream_api.envelope import Refused, load_keys, verify
from slipstream_api.sidecar import Acknowledgement, PoolStatus, Refusal, SidecarStatus

_ADDRESSES = itertools.count(2)


class FakeSidecar:
    """`keys`: what it trusts. `refuse`: its answer to any configuration, if set. `puts` counts what was pushed to it."""

    def __init__(self, audience: str, port: int, keys: Mapping[str, str] | None = None) -> None:
        number = next(_ADDRESSES)
        self.ip = f"127.9.{number // 250}.{number % 250 + 2}"
        self.audience, self.port = audience, port
        self.keys = dict(keys or {})
        self.config: RuntimeConfig | None = None
        self.revision, self.sequence, self.source = "", 0, "None"
        self.refuse: Refusal | None = None
        self.pools: tuple[PoolStatus, ...] = ()
        self.puts = 0
        self.polls = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> FakeSidecar:
        app = web.Application(client_max_size=1 << 22)
        app.router.add_put("/config", self._put)
        app.router.add_get("/status", self._status)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.ip, self.port).start()
        return self

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def mount(self, config_map: Mapping[str, Mapping[str, str]]) -> None:
        """The volume has arrived: new keys, and the configuration of the file."""
        self.keys |= json.loads(config_map["data"]["keys.json"])
        self._take(config_map["data"]["envelope.json"].encode(), "File")

    def restart(self) -> None:
        """A new process without a volume."""
        self.config, self.revision, self.sequence, self.source = None, "", 0, "None"

    def _take(self, envelope: bytes, source: str) -> None:
        payload, head = verify(envelope, load_keys(self.keys), {self.audience}, {"Config": self.sequence}, 0.0)
        self.config = decode(payload)
        self.revision, self.sequence, self.source = revision(self.config), head.sequence, source

    async def _put(self, request: web.Request) -> web.Response:
        self.puts += 1
        body = await request.read()
        if self.refuse is not None:
            return _json(self.refuse, 422)
        try:
            self._take(body, "Push")
        except Refused as error:
            return _json(Refusal(reason=error.reason, message=error.message), 403)
        return _json(Acknowledgement(revision=self.revision), 200)

    async def _status(self, _: web.Request) -> web.Response:
        self.polls += 1
        return _json(
            SidecarStatus(version="1", revision=self.revision, sequence=self.sequence, source=self.source, pools=self.pools),
            200,  # type: ignore[arg-type]  # a literal
        )


def _json(value: msgspec.Struct, code: int) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=code, content_type="application/json")
