"""The admin API: probes, metrics, status, signed configuration and commands; from loopback also explain and full status.

Readiness is about this process alone: never about an upstream or a circuit, or one sick upstream would take all its callers down."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
from aiohttp import web

from slipstream_api.config import RuntimeConfig
from slipstream_api.envelope import Refused
from slipstream_api.sidecar import Acknowledgement, Refusal, SidecarStatus
from slipstream_runtime.control.commands import Command, CommandResult
from slipstream_runtime.control.gate import Gate, decode_command

MAX_ENVELOPE: Final = 4 << 20  # a ConfigMap holds 1 MiB, base64 of base64 adds to it
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

log = logging.getLogger("slipstream.admin")


class Administered(Protocol):
    """The runtime, as far as the admin API uses it."""

    @property
    def ready(self) -> bool: ...
    def status(self) -> SidecarStatus: ...
    def metrics(self) -> bytes: ...
    def explain(self, method: str, url: str, pool: str = "", headers: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]: ...
    def command(self, command: Command) -> CommandResult: ...
    def effective(self) -> RuntimeConfig | None: ...


class Acceptor(Protocol):
    """Takes a pushed configuration: raises Refused, or returns the revision in force."""

    async def push(self, envelope: bytes) -> str: ...


def sidecar_app(runtime: Administered, acceptor: Acceptor, gate: Gate, wall: Callable[[], float]) -> web.Application:
    """The API on the pod's address: what changes anything must be signed."""

    async def config(request: web.Request) -> web.Response:
        try:
            return _json(200, Acknowledgement(revision=await acceptor.push(await request.read())))
        except Refused as refused:
            return _refusal(refused)

    async def commands(request: web.Request) -> web.Response:
        try:
            command, head = gate.command(await request.read(), wall())
        except Refused as refused:
            return _refusal(refused)
        log.info("command", extra={"op": command.op, "pool": command.pool, "sequence": head.sequence})
        return _json(200, runtime.command(command))

    app = _app(runtime, _from_loopback)
    app.add_routes([web.put("/config", config), web.post("/commands", commands)])
    return app


def local_app(runtime: Administered) -> web.Application:
    """The API on a Unix socket of one user: commands unsigned, since only that user can open it."""

    async def commands(request: web.Request) -> web.Response:
        try:
            command = decode_command(await request.read())
        except Refused as refused:
            return _refusal(refused)
        return _json(200, runtime.command(command))

    app = _app(runtime, lambda request: True)
    app.add_routes([web.post("/commands", commands)])
    return app


def _app(runtime: Administered, trusted: Callable[[web.Request], bool]) -> web.Application:
    async def live(request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(request: web.Request) -> web.Response:
        return web.Response(text="ok\n") if runtime.ready else web.Response(status=503, text="not ready\n")

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=runtime.metrics(), headers={"Content-Type": METRICS_TYPE})

    async def status(request: web.Request) -> web.Response:
        if request.query.get("full") and trusted(request):
            return _json(200, {"status": runtime.status(), "config": runtime.effective()})
        return _json(200, runtime.status())

    async def explain(request: web.Request) -> web.Response:
        if not trusted(request):
            return _json(
                403, Refusal(reason="NotLoopback", message="explain answers on the pod's loopback only: kubectl port-forward or exec")
            )
        url = request.query.get("url", "")
        if not url:
            return _json(400, Refusal(reason="Malformed", message="explain needs ?url=, a URL or a path"))
        headers = tuple((name, value) for name, value in request.headers.items())
        return _json(200, runtime.explain(request.query.get("method", "GET"), url, request.query.get("pool", ""), headers))

    app = web.Application(client_max_size=MAX_ENVELOPE)
    app.add_routes(
        [
            web.get("/livez", live),
            web.get("/readyz", ready),
            web.get("/metrics", metrics),
            web.get("/status", status),
            web.get("/explain", explain),
        ]
    )
    return app


def _from_loopback(request: web.Request) -> bool:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    if not isinstance(peer, tuple):
        return False
    address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _json(status: int, value: Any) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")


def _refusal(refused: Refused) -> web.Response:
    log.warning("refused", extra={"reason": refused.reason, "detail": refused.message})
    return _json(422, Refusal(reason=refused.reason, message=refused.message))
