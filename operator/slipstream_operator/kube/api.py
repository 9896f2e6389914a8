"""The Kube protocol on kubernetes.aio's raw client: one place for paths, content types, time limits and errors. Knows no reconciler.

The generated API classes are left alone: importing their models costs 25 MB and more, and `CustomObjectsApi.patch_*` answers None where a
server-side apply creates. Their client (TLS, kubeconfig, token renewal) is what we want of the package.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import config as kubeconfig
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from slipstream_operator.errors import Permanent, Temporary
from slipstream_operator.kube.client import Object
from slipstream_operator.kube.kinds import POD, Kind
from slipstream_operator.kube.mapping import error_of
from slipstream_operator.names import FIELD_MANAGER

log = logging.getLogger(__name__)

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
PAGE: Final = 500  # what kubectl asks for at a time
CONNECTIONS: Final = 20  # at once, to the API server; more only queues there


async def connect(*, timeout: float = 10.0) -> ApiKube:
    """A client with the pod's service account, or else with the current context of the kubeconfig."""
    configuration = Configuration()
    try:
        kubeconfig.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # not annotated there
    except kubeconfig.ConfigException:
        await kubeconfig.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # not annotated there
    configuration.connection_pool_maxsize = CONNECTIONS
    return ApiKube(ApiClient(configuration), timeout=timeout)


class ApiKube:
    """See `Kube`. One long-lived connection pool; close it when done."""

    def __init__(self, client: ApiClient, *, field_manager: str = FIELD_MANAGER, timeout: float = 10.0) -> None:
        self._client = client
        self._field_manager = field_manager
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, 5.0))

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        return await self._call("GET", kind.path(namespace, name))

    async def list(
        self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = "", metadata_only: bool = False
    ) -> list[Object]:
        items: list[Object] = []
        query = {"limit": str(PAGE)} | ({"labelSelector": labels} if labels else {}) | ({"fieldSelector": fields} if fields else {})
        while True:
            page = await self._call("GET", kind.path(namespace), query, accept=METADATA_ONLY if metadata_only else JSON)
            items += page.get("items") or []
            token = page.get("metadata", {}).get("continue")
            if not token:
                return items
            query["continue"] = token

    async def create(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        return await self._call("POST", kind.path(_namespace(obj)), {"fieldManager": self._field_manager}, obj)

    async def update(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        path = kind.path(_namespace(obj), obj["metadata"]["name"])
        return await self._call("PUT", path, {"fieldManager": self._field_manager}, obj)

    async def apply(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        path = kind.path(_namespace(obj), obj["metadata"]["name"])
        body = {"apiVersion": kind.api_version, "kind": kind.kind, **obj}
        return await self._call("PATCH", path, {"fieldManager": self._field_manager, "force": "true"}, body, content_type=APPLY_PATCH)

    async def patch(self, kind: Kind, namespace: str | None, name: str, patch: Mapping[str, Any]) -> Object:
        return await self._merge(kind.path(namespace, name), patch)

    async def patch_status(self, kind: Kind, namespace: str | None, name: str, patch: Mapping[str, Any]) -> Object:
        return await self._merge(kind.path(namespace, name, "status"), patch)

    async def delete(self, kind: Kind, namespace: str | None, name: str, *, uid: str = "") -> None:
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        await self._call("DELETE", kind.path(namespace, name), body=options)

    async def logs(self, namespace: str, pod: str, container: str) -> str:
        path = POD.path(namespace, pod, "log")
        data = await self._send("GET", path, {"container": container}, accept="text/plain, */*")
        return data.decode("utf-8", "replace")

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]  # not annotated there

    async def _merge(self, path: str, patch: Mapping[str, Any]) -> Object:
        return await self._call("PATCH", path, {"fieldManager": self._field_manager}, patch, content_type=MERGE_PATCH)

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Object:
        """One request, one JSON object; raises only our errors."""
        data = await self._send(method, path, query, body, content_type=content_type, accept=accept)
        try:
            answer = json.loads(data)
        except ValueError as error:
            raise Permanent(f"{method} {path}: the answer isn't JSON; is the configured server an API server?") from error
        if not isinstance(answer, dict):
            raise Permanent(f"{method} {path}: the answer isn't an object; is the configured server an API server?")
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> bytes:
        """One request, one answer; raises only our errors."""
        headers = {"Accept": accept, "Content-Type": content_type, "User-Agent": self._field_manager}
        url = self._client.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        try:
            # Reads the service account's token anew every minute: bound tokens expire.
            await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            response = await self._client.call_api(method, url, header_params=headers, body=body, _request_timeout=self._timeout)
            data: bytes = await response.read()  # type: ignore[no-untyped-call]  # not annotated there
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Temporary(f"the API server can't be reached for {method} {path}: {error!r}") from error
        if response.status >= 400:
            raise error_of(response.status, method, path, data, response.headers.get("Retry-After"))
        return data


def _namespace(obj: Mapping[str, Any]) -> str | None:
    namespace = obj["metadata"].get("namespace")
    return None if namespace is None else str(namespace)
