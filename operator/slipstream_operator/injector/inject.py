"""From a pod and the pools of its namespace to a JSON patch, or to nothing and the reason. Pure: the whole decision of the injector.

Laws: inject(inject(pod)) == inject(pod); with the annotation `slipstream.dev/upstreams` the pools make no difference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from slipstream_api.scalars import NAME_PATTERN
from slipstream_operator.injector import ports, routes, sidecar, upstreams
from slipstream_operator.injector.patch import Op, build
from slipstream_operator.injector.pools import PoolFacts
from slipstream_operator.injector.resources import resources
from slipstream_operator.injector.sidecar import Settings
from slipstream_operator.names import (
    ANNOTATION_INJECT,
    ANNOTATION_UPSTREAMS,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    ROLE_RUNNER,
    SIDECAR_CONTAINER,
)

WORKLOAD: Final = re.compile(NAME_PATTERN)  # as ConnectionPool.spec.workloads has them
INJECTED: Final = "Injected"


@dataclass(frozen=True, slots=True)
class Injection:
    """`outcome`: Injected, or why not. `warnings`: what the user should hear of, one sentence each."""

    outcome: str
    ops: tuple[Op, ...] = ()
    warnings: tuple[str, ...] = ()


def inject(pod: Mapping[str, Any], namespace: str, pools: Sequence[PoolFacts], settings: Settings) -> Injection:
    """`pools`: those of `namespace` that name the pod's workload. `namespace` is the request's: a pod's own may be empty."""
    metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    skipped = _skipped(labels, annotations, spec)
    if skipped is not None:
        return skipped
    workload = labels[LABEL_WORKLOAD]
    taken = ports.taken(spec)
    planned, warnings = _routes(namespace, metadata, spec, taken, pools)
    clash = routes.reserved(planned, taken)
    if clash:
        return Injection("ReservedPort", warnings=(f"no sidecar: {clash}, which the sidecar needs; use another, or opt out",))
    sized = resources(annotations, settings.defaults)
    start = sidecar.bootstrap(settings, namespace, workload, planned)
    ops = build(
        pod,
        container=sidecar.container(settings, start, sized.values),
        volumes=sidecar.volumes(workload),
        host_aliases=sidecar.host_aliases(planned),
        variables=planned.variables,
        status=sidecar.status(settings.version, planned),
    )
    conflicts = tuple(f"{c.host}:{c.port} keeps its own address in this pod: {c.detail} ({c.reason})" for c in planned.conflicts)
    return Injection(INJECTED, ops, warnings + sized.problems + conflicts)


def _skipped(labels: Mapping[str, str], annotations: Mapping[str, str], spec: Mapping[str, Any]) -> Injection | None:
    """The reasons to leave a pod alone, in the order in which they count."""
    if LABEL_WORKLOAD not in labels:
        return Injection("NoWorkload")
    if any(c.get("name") == SIDECAR_CONTAINER for c in spec.get("initContainers") or []):
        return Injection("AlreadyInjected")
    if annotations.get(ANNOTATION_INJECT, "").strip().lower() == "false":
        return Injection("OptedOut")
    if spec.get("hostNetwork"):
        return Injection("HostNetwork")
    if (spec.get("os") or {}).get("name") == "windows":
        return Injection("Windows", warnings=("no sidecar: it runs on Linux only",))
    if not WORKLOAD.fullmatch(labels[LABEL_WORKLOAD]):
        name = labels[LABEL_WORKLOAD]
        return Injection("InvalidWorkload", warnings=(f"no sidecar: no pool can name the workload {name!r} (a-z, 0-9 and - only)",))
    if any(c.get("name") == SIDECAR_CONTAINER for c in spec.get("containers") or []):
        return Injection("NameTaken", warnings=(f"no sidecar: the pod has a container {SIDECAR_CONTAINER!r} of its own",))
    taken = [v["name"] for v in spec.get("volumes") or [] if v.get("name") in (sidecar.VOLUME, sidecar.TLS_VOLUME)]
    if taken:
        return Injection("NameTaken", warnings=(f"no sidecar: the pod has a volume {taken[0]!r} of its own",))
    return None


def _routes(
    namespace: str, metadata: Mapping[str, Any], spec: Mapping[str, Any], taken: Mapping[int, str], pools: Sequence[PoolFacts]
) -> tuple[routes.Routes, tuple[str, ...]]:
    """With the annotation, that alone; without it, the pools that exist now. A runner has no aliases: it measures past them too."""
    text = (metadata.get("annotations") or {}).get(ANNOTATION_UPSTREAMS, "")
    problems: tuple[str, ...] = ()
    if text.strip():
        named = upstreams.parse(text)
        wanted, pools = routes.of_annotation(named.endpoints), ()
        problems = tuple(f"annotation {ANNOTATION_UPSTREAMS}: {problem}; it is left out" for problem in named.problems)
    else:
        wanted = routes.of_pools(pools)
    occupied = {name for alias in spec.get("hostAliases") or [] for name in alias.get("hostnames") or []}
    runner = metadata["labels"].get(LABEL_ROLE) == ROLE_RUNNER
    return routes.plan(namespace, wanted, taken, occupied, pools, aliases=not runner), problems
