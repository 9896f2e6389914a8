"""Compares the caches with the API server: what is gone there is buried here, and whether the caches are full. Writes nothing.

kopf tells of no deletion that happened while a watch was broken, and a relist brings only what is alive.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from slipstream_operator.caches import Caches, Entry, View
from slipstream_operator.kube.client import Kube
from slipstream_operator.kube.kinds import CONFIG_MAP, POD, Kind
from slipstream_operator.metrics import Metrics
from slipstream_operator.names import FIELD_MANAGER, LABEL_MANAGED_BY, LABEL_WORKLOAD

log = logging.getLogger(__name__)

# What is watched of kinds that aren't ours; the same for the check as for the watch.
SELECTORS: Final[Mapping[str, str]] = {POD.kind: LABEL_WORKLOAD, CONFIG_MAP.kind: f"{LABEL_MANAGED_BY}={FIELD_MANAGER}"}


@dataclass(slots=True)
class Ghosts:
    """`check` all kinds now; `buried` hears of each object that was of any concern."""

    kube: Kube
    caches: Caches
    kinds: Sequence[Kind]
    namespaces: Sequence[str]
    metrics: Metrics
    wall: Callable[[], float]
    buried: Callable[[Kind, Entry], None]

    async def check(self) -> None:
        """Raises what the API server says, so that the caller tries again."""
        full = True
        for kind in self.kinds:
            view = self._view(kind)
            before = view.uids()
            alive = await self._alive(kind)
            # Made after the first look: not in `before`, and none of the dead.
            dead = before - alive
            if dead:
                self.metrics.ghosts.inc(len(dead))
                log.warning("%d %s are gone without a word", len(dead), kind.plural)
                for entry in view.bury(dead):
                    self.buried(kind, entry)
            full = full and alive <= view.uids()
        self.caches.synced = self.caches.synced or full
        self.metrics.resync_timestamp.set(self.wall())

    async def _alive(self, kind: Kind) -> set[str]:
        found: set[str] = set()
        for namespace in self.namespaces or (None,):
            items = await self.kube.list(kind, namespace, labels=SELECTORS.get(kind.kind, ""), metadata_only=True)
            found |= {item["metadata"]["uid"] for item in items}
        return found

    def _view(self, kind: Kind) -> View[Entry]:
        views: dict[str, View[Entry]] = {**self.caches.policies, POD.kind: self.caches.pods, CONFIG_MAP.kind: self.caches.config_maps}  # type: ignore[dict-item]  # each of its own entries
        return views[kind.kind]
