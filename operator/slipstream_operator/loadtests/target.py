"""Can this LoadTest be run, and by which routes? Pure: spec and pools in, routes or the problem out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from slipstream_api.addresses import env_name
from slipstream_api.models import ConnectionPoolSpec, LoadTestSpec
from slipstream_loadtest.http.url_guard import check_url
from slipstream_loadtest.plan.build import Route, Routes
from slipstream_operator.loadtests.facts import Problem


@dataclass(frozen=True, slots=True)
class Measurable:
    """How a test reaches its target. `workload`: as which one its runners go through the layers, empty for a URL. `config_maps`: (name,
    key) → text of what the spec refers to."""

    routes: Routes
    workload: str = ""
    pool: str = ""
    config_maps: Mapping[tuple[str, str], str] = field(default_factory=dict)
    host: str = ""  # of the pool's upstream


def measurable(
    namespace: str, spec: LoadTestSpec, pools: Iterable[tuple[str, ConnectionPoolSpec]], cluster_domain: str
) -> Measurable | Problem:
    """The routes of a test, or why it has none. `cluster_domain`: not empty when targets outside of it are refused."""
    if spec.target.url is not None:
        refused = check_url(spec.target.url, cluster_domain=cluster_domain)
        if refused is not None:
            return Problem("Accepted", "Invalid", f"spec.target.url: {refused}")
        return Measurable(Routes(direct=Route(url=spec.target.url, resolution="DNS")))
    assert spec.target.pool_ref is not None
    name = spec.target.pool_ref.name
    pool = next((pool for known, pool in pools if known == name), None)
    if pool is None:
        message = f"no ConnectionPool {name} in namespace {namespace}: create it or correct spec.target.poolRef"
        return Problem("ResolvedRefs", "TargetNotFound", message)
    workload = spec.target.workload or pool.workloads[0]
    if workload not in pool.workloads:
        known = ", ".join(pool.workloads)
        return Problem("Accepted", "Invalid", f"spec.target.workload: ConnectionPool {name} is for {known}, not for {workload}")
    if pool.upstream.protocol == "PostgreSQL":
        return Problem("Accepted", "Invalid", f"spec.target.poolRef: ConnectionPool {name} speaks PostgreSQL, load tests speak HTTP")
    scheme = "http" if pool.upstream.tls.mode == "Disabled" else "https"
    direct = Route(url=f"{scheme}://{pool.upstream.host}:{pool.upstream.port}", resolution="DNS")
    return Measurable(Routes(direct=direct, layers=Route(env=env_name(name))), workload, name, host=pool.upstream.host)
