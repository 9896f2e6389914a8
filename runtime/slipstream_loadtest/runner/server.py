"""The runner's HTTP side: state, signed start and abort, the part and its acknowledgement. Decides nothing: it asks the Lifecycle.

GET /state   {"phase", "startAt", "digest", "progress", …}      POST /start  signed Start   {"startAt": unix seconds}
GET /part    the part's JSON, digest in X-Slipstream-Digest     POST /abort  signed Command {"op": "Abort", "reason"}
GET /part/progress   the part as far as it goes, while the run lasts
GET /livez                                                      POST /ack    {"digest"}: the operator has the part
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Protocol, TypeVar

import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from slipstream_api.envelope import Refused, verify
from slipstream_api.sidecar import Refusal

DIGEST_HEADER: Final = "X-Slipstream-Digest"
MAX_BODY: Final = 64 << 10

RunnerPhase = Literal["Preparing", "Ready", "Running", "Draining", "Done", "Aborted"]


T = TypeVar("T")


class Lifecycle(Protocol):
    """What the runner answers from and acts through."""

    def state(self) -> dict[str, Any]: ...
    def start(self, at: float) -> float | None:
        """Takes the common start; gives the one that counts (the first), None before the runner is ready or after it has ended."""
        ...

    def abort(self, reason: str) -> None: ...
    def part(self) -> tuple[bytes, str] | None:
        """The encoded part and its digest, once there is one."""
        ...

    def so_far(self) -> bytes | None:
        """The part as far as it goes; None before the start."""
        ...

    def acknowledge(self, digest: str) -> bool: ...


class StartOrder(msgspec.Struct, frozen=True, rename="camel"):
    start_at: float


class AbortOrder(msgspec.Struct, frozen=True):
    op: Literal["Abort"]
    reason: str = "the operator said so"


class Acknowledged(msgspec.Struct, frozen=True):
    digest: str


class RunnerServer:
    """Verifies what is signed and translates between HTTP and the lifecycle. `wall`: unix seconds, for expiries alone."""

    def __init__(
        self, lifecycle: Lifecycle, audience: str, keys: Mapping[str, Ed25519PublicKey], wall: Callable[[], float] = time.time
    ) -> None:
        self._lifecycle = lifecycle
        self._audience = audience
        self._keys = keys
        self._wall = wall
        self._last: dict[str, int] = {}

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/state", self._state)
        app.router.add_get("/part", self._part)
        app.router.add_get("/part/progress", self._so_far)
        app.router.add_post("/start", self._start)
        app.router.add_post("/abort", self._abort)
        app.router.add_post("/ack", self._ack)
        return app

    async def _livez(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _state(self, request: web.Request) -> web.Response:
        return _json(self._lifecycle.state())

    async def _part(self, request: web.Request) -> web.Response:
        part = self._lifecycle.part()
        if part is None:
            return _refusal(404, "NotReady", "the run isn't over: ask /state until its phase is Done or Aborted")
        return web.Response(body=part[0], content_type="application/json", headers={DIGEST_HEADER: part[1]})

    async def _so_far(self, request: web.Request) -> web.Response:
        part = self._lifecycle.so_far()
        if part is None:
            return _refusal(404, "NotReady", "the run hasn't started")
        return web.Response(body=part, content_type="application/json")

    async def _start(self, request: web.Request) -> web.Response:
        order = await self._signed(request, "Start", StartOrder)
        if isinstance(order, web.Response):
            return order
        counts = self._lifecycle.start(order.start_at)
        if counts is None:
            return _refusal(409, "NotReady", f"the runner is {self._lifecycle.state()['phase']}, a start is taken once, when it is Ready")
        return _json({"startAt": counts})

    async def _abort(self, request: web.Request) -> web.Response:
        order = await self._signed(request, "Command", AbortOrder)
        if isinstance(order, web.Response):
            return order
        self._lifecycle.abort(order.reason[:200])
        return _json(self._lifecycle.state())

    async def _ack(self, request: web.Request) -> web.Response:
        try:
            order = msgspec.json.decode(await request.read(), type=Acknowledged)
        except msgspec.MsgspecError as error:
            return _refusal(400, "Malformed", str(error))
        if not self._lifecycle.acknowledge(order.digest):
            return _refusal(409, "Invalid", "that isn't the digest of this runner's part")
        return _json({"digest": order.digest})

    async def _signed(self, request: web.Request, kind: str, type_: type[T]) -> T | web.Response:
        """The payload of a signed request of this kind, or the answer that refuses it."""
        try:
            payload, head = verify(await request.read(), self._keys, {self._audience}, self._last, self._wall())
            if head.kind != kind:
                raise Refused("WrongAudience", f"a {head.kind} was sent where a {kind} belongs")
            order = msgspec.json.decode(payload, type=type_)
        except Refused as refused:
            return _refusal(403, refused.reason, refused.message)
        except msgspec.MsgspecError as error:
            return _refusal(400, "Malformed", f"payload: {error}")
        self._last[head.kind] = head.sequence
        return order


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", status=status)


def _refusal(status: int, reason: str, message: str) -> web.Response:
    return _json(Refusal(reason=reason, message=message), status)
