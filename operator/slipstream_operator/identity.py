"""Which cluster this is: part of every envelope's audience, so that what is signed here is worth nothing elsewhere. Reads one object."""

from __future__ import annotations

from slipstream_operator.kube.client import Kube
from slipstream_operator.kube.kinds import NAMESPACE
from slipstream_operator.settings import Settings


async def cluster_id(kube: Kube, settings: Settings) -> str:
    """The uid of kube-system, which lives as long as the cluster; with `--namespace` that of the operator's own, which a Role can allow."""
    if settings.cluster_id:
        return settings.cluster_id
    name = "kube-system" if settings.clusterwide else settings.system_namespace
    namespace = await kube.get(NAMESPACE, None, name)
    return str(namespace["metadata"]["uid"])
