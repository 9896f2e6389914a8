"""Kubernetes Events about policies: posted for transitions, never relied upon. An Event that can't be posted fails nothing."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from slipstream_operator.errors import OperatorError
from slipstream_operator.kube.client import Kube
from slipstream_operator.kube.kinds import BY_NAME, EVENT
from slipstream_operator.names import FIELD_MANAGER
from slipstream_operator.policies import PolicyEntry
from slipstream_operator.reconcile.transitions import Happening

log = logging.getLogger(__name__)
MESSAGE_LIMIT = 1000  # of 1024 that the API server takes


class Events:
    """Posts what happened to a policy."""

    def __init__(self, kube: Kube, wall: Callable[[], float], host: str = "") -> None:
        self._kube, self._wall, self._host = kube, wall, host

    async def post(self, entry: PolicyEntry, happening: Happening) -> None:
        try:
            await self._kube.create(EVENT, self._manifest(entry, happening))
        except OperatorError as error:
            log.info("no Event %s for %s/%s: %s", happening.reason, entry.namespace, entry.name, error)

    def _manifest(self, entry: PolicyEntry, happening: Happening) -> dict[str, Any]:
        kind = BY_NAME[entry.kind]
        now = datetime.fromtimestamp(self._wall(), UTC)
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        digest = hashlib.sha256(f"{entry.uid} {happening.reason} {now.isoformat()}".encode()).hexdigest()[:16]
        return {
            "metadata": {"namespace": entry.namespace, "name": f"{entry.name}.{digest}"},
            "involvedObject": {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "namespace": entry.namespace,
                "name": entry.name,
                "uid": entry.uid,
            },
            "type": happening.type,
            "reason": happening.reason,
            "message": happening.message[:MESSAGE_LIMIT],
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": "slipstream.dev/operator",
            "reportingInstance": self._host or FIELD_MANAGER,
            "action": happening.reason,
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
