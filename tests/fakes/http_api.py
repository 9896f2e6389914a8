"""FakeKube over HTTP, with discovery, lists and watches: enough of an API server for a whole operator process on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from aiohttp import web

from slipstream_operator.errors import AlreadyExists, Conflict, Invalid, NotFound, OperatorError
from slipstream_operator.kube.client import Object
from slipstream_operator.kube.kinds import CONFIG_MAP, EVENT, JOB, LOAD_TEST, MUTATING_WEBHOOK, NAMESPACE, POD, POLICY_KINDS, SECRET, Kind
from tests.fakes.fake_kube import FakeKube, _selected

CRD: Final = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
KINDS: Final = (*POLICY_KINDS, LOAD_TEST, POD, CONFIG_MAP, SECRET, EVENT, NAMESPACE, JOB, MUTATING_WEBHOOK, CRD)
BY_PLURAL: Final[Mapping[str, Kind]] = {kind.plural: kind for kind in KINDS}
CODES: Final = {NotFound: 404, AlreadyExists: 409, Conflict: 409, Invalid: 422}


class HttpApi:
    """`kube` is what it serves; tests put objects there."""

    def __init__(self, kube: FakeKube) -> None:
        self.kube = kube
        self.url = ""
        self.requests: list[tuple[str, str]] = []
        self._watchers: set[tuple[str, str, str, asyncio.Queue[tuple[str, Object]]]] = set()
        self._runner: web.AppRunner | None = None
        kube.listeners.append(self._tell)

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def kubeconfig(self, path: Path) -> Path:
        named = {"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}]}
        where = {"clusters": [{"name": "x", "cluster": {"server": self.url}}], "users": [{"name": "x", "user": {"token": "t"}}]}
        path.write_text(yaml.safe_dump(named | where))
        return path

    # -- inside --

    def _tell(self, kind: Kind, event: str, body: Object) -> None:
        for plural, namespace, labels, queue in self._watchers:
            if plural == kind.plural and namespace in ("", body["metadata"].get("namespace")) and _selected(body, labels):
                queue.put_nowait((event, body))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        self.requests.append((request.method, request.path))
        if (answer := _discovery(parts)) is not None:
            return web.json_response(answer)
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = rest[1] if rest[0] == "namespaces" and len(rest) > 2 else ""
        rest = rest[2:] if namespace else rest
        kind, name, subresource = BY_PLURAL[rest[0]], *[*rest[1:], "", ""][:2]
        try:
            if "watch" in request.query:
                return await self._watch(request, kind, namespace)
            return web.json_response(await self._call(request, kind, namespace or None, name, subresource))
        except OperatorError as error:
            return web.json_response({"reason": type(error).__name__, "message": str(error)}, status=CODES.get(type(error), 500))

    async def _call(self, request: web.Request, kind: Kind, namespace: str | None, name: str, subresource: str) -> Object:
        body = json.loads(await request.read() or b"{}")
        kube = self.kube
        calls: dict[tuple[str, bool], Callable[[], Awaitable[Any]]] = {
            ("GET", True): lambda: kube.get(kind, namespace, name),
            ("GET", False): lambda: kube.list(kind, namespace, labels=request.query.get("labelSelector", "")),
            ("POST", False): lambda: kube.create(kind, body),
            ("PUT", True): lambda: kube.update(kind, body),
            ("DELETE", True): lambda: kube.delete(kind, namespace, name, uid=(body.get("preconditions") or {}).get("uid", "")),
        }
        if request.method == "PATCH" and "apply" in request.content_type:
            return await kube.apply(kind, body)
        if request.method == "PATCH":
            return await (kube.patch_status if subresource == "status" else kube.patch)(kind, namespace, name, body)
        found = await calls[request.method, bool(name)]()
        if isinstance(found, list):
            latest = max((int(o["metadata"].get("resourceVersion", 0)) for o in kube.objects.values()), default=0)
            return {"kind": f"{kind.kind}List", "metadata": {"resourceVersion": str(latest)}, "items": found}
        return found or {}

    async def _watch(self, request: web.Request, kind: Kind, namespace: str) -> web.StreamResponse:
        queue: asyncio.Queue[tuple[str, Object]] = asyncio.Queue()
        since = int(request.query.get("resourceVersion") or 0)
        labels = request.query.get("labelSelector", "")
        for obj in await self.kube.list(kind, namespace or None, labels=labels):
            if int(obj["metadata"]["resourceVersion"]) > since:  # made between the list and this watch
                queue.put_nowait(("ADDED", obj))
        watcher = (kind.plural, namespace, labels, queue)
        self._watchers.add(watcher)
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                event, body = await queue.get()
                await response.write(json.dumps({"type": event, "object": body}).encode() + b"\n")
        finally:
            self._watchers.discard(watcher)


def _discovery(parts: list[str]) -> Object | None:
    """What there is, as kopf asks for it before it watches."""
    groups = sorted({(k.group, k.version) for k in KINDS if k.group})
    if parts == ["api"]:
        return {"versions": ["v1"]}
    if parts == ["apis"]:
        versions = [{"name": g, "versions": [{"groupVersion": f"{g}/{v}", "version": v}]} for g, v in groups]
        return {"groups": [v | {"preferredVersion": v["versions"][0]} for v in versions]}  # type: ignore[index]  # a list
    if parts == ["api", "v1"] or (len(parts) == 3 and parts[0] == "apis"):
        where = ("", "v1") if parts[0] == "api" else (parts[1], parts[2])
        verbs = ["get", "list", "watch", "patch", "create", "update", "delete"]
        found = [k for k in KINDS if (k.group, k.version) == where]
        return {
            "resources": [
                {"name": k.plural, "kind": k.kind, "singularName": k.kind.lower(), "namespaced": k.namespaced, "verbs": verbs}
                for k in found
            ]
        }
    return None
