"""From files to a configuration for this machine: loads, chooses the workload, moves upstreams to other addresses. Prints nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from slipstream_api.compile import Compiled, Finding, compile, warning  # noqa: A004 - the word of the design
from slipstream_api.load import DEFAULT_NAMESPACE, Loaded, load_paths
from slipstream_api.models import ConnectionPoolSpec, LoadTestSpec
from slipstream_api.resources import Resource

Address = tuple[str, int]


class SourceError(Exception):
    """Files or options that can't be used; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Source:
    """What to read and how: `upstreams` are pool → (host, port) on this machine, `listens` pool → port of 127.0.0.1."""

    paths: tuple[Path, ...]
    workload: str = ""
    namespace: str = ""  # what resources without one are in, as with `kubectl -n`; and whose pools are meant
    upstreams: Mapping[str, Address] = field(default_factory=dict)
    listens: Mapping[str, int] = field(default_factory=dict)


def parse_upstreams(options: Sequence[str]) -> dict[str, Address]:
    """`pool=host:port` options as a mapping."""
    found: dict[str, Address] = {}
    for option in options:
        pool, equals, address = option.partition("=")
        host, colon, port = address.rpartition(":")
        if not (equals and colon and pool and host and port.isdecimal() and 0 < int(port) < 65536):
            raise SourceError(f"--upstream {option}: write it like memory=127.0.0.1:8080")
        found[pool] = (host.strip("[]"), int(port))
    return found


def parse_listens(options: Sequence[str]) -> dict[str, int]:
    """`pool=port` options as a mapping."""
    found: dict[str, int] = {}
    for option in options:
        pool, equals, port = option.partition("=")
        if not (equals and pool and port.isdecimal() and 0 < int(port) < 65536):
            raise SourceError(f"--listen {option}: write it like memory=15900")
        found[pool] = int(port)
    return found


def load(source: Source) -> Loaded:
    """The files' resources and problems; SourceError when a path isn't there or holds no resource at all."""
    for path in source.paths:
        if not path.exists():
            raise SourceError(f"{path} isn't there")
    loaded = load_paths(source.paths, source.namespace or DEFAULT_NAMESPACE)
    if not loaded.resources and not loaded.problems:
        raise SourceError(f"no resource of slipstream.dev in {', '.join(map(str, source.paths))} (files ending in .yaml or .yml)")
    return loaded


def problems_of(loaded: Loaded) -> str:
    """All problems, a line each: FILE:LINE: PATH: MESSAGE."""
    return "\n".join(map(str, loaded.problems))


def compile_source(source: Source, loaded: Loaded) -> Compiled:
    """The configuration for `slipstream run`. Problems in files have to be dealt with before."""
    namespace = namespace_of(source, loaded.resources)
    resources = [_moved(resource, source) for resource in loaded.resources if resource.namespace == namespace]
    _check_pools({"--upstream": source.upstreams, "--listen": source.listens}, resources)
    return compile(namespace, workload_of(source, resources), resources, "Local")


def namespace_of(source: Source, resources: Sequence[Resource]) -> str:
    """The namespace that was asked for, or the only one that has pools."""
    known = sorted({r.namespace for r in resources if isinstance(r.spec, ConnectionPoolSpec)})
    if source.namespace:
        if known and source.namespace not in known:
            raise SourceError(f"no ConnectionPool is in namespace {source.namespace}: known are {', '.join(known)}")
        return source.namespace
    if len(known) > 1:
        raise SourceError(f"the pools are in {len(known)} namespaces ({', '.join(known)}): choose one with --namespace")
    return known[0] if known else DEFAULT_NAMESPACE


def workload_of(source: Source, resources: Sequence[Resource]) -> str:
    """The workload that was asked for, or the only one that the pools name."""
    known = sorted({w for r in resources if isinstance(r.spec, ConnectionPoolSpec) for w in r.spec.workloads})
    if source.workload:
        if source.workload not in known:
            raise SourceError(f"no ConnectionPool names workload {source.workload}: known are {', '.join(known) or 'none'}")
        return source.workload
    if len(known) != 1:
        raise SourceError(f"the pools name {len(known)} workloads ({', '.join(known)}): choose one with --workload")
    return known[0]


def findings_of(loaded: Loaded, compiled: Compiled) -> tuple[Finding, ...]:
    """What is to be told: conflicts, missing pools, fields that nothing enforces yet; of load tests too."""
    tests = tuple(f for r in loaded.resources if isinstance(r.spec, LoadTestSpec) for f in warning(r))
    return tuple(f for f in (*compiled.findings, *tests) if f.type == "Warning" or f.status == "False")


def config_maps_of(loaded: Loaded, namespace: str) -> dict[tuple[str, str], str]:
    """(name, key) → text of the ConfigMaps beside a load test, in its namespace."""
    return {(name, key): text for (where, name, key), text in loaded.config_maps.items() if where == namespace}


def load_tests(loaded: Loaded) -> tuple[Resource, ...]:
    return tuple(r for r in loaded.resources if isinstance(r.spec, LoadTestSpec))


def _check_pools(options: Mapping[str, Mapping[str, object]], resources: Sequence[Resource]) -> None:
    pools = sorted(r.name for r in resources if isinstance(r.spec, ConnectionPoolSpec))
    for option, named in options.items():
        if unknown := [name for name in named if name not in pools]:
            raise SourceError(f"{option} {unknown[0]}=…: there is no such ConnectionPool: known are {', '.join(pools) or 'none'}")


def _moved(resource: Resource, source: Source) -> Resource:
    """A pool with addresses of this machine in the place of its own."""
    if not isinstance(resource.spec, ConnectionPoolSpec):
        return resource
    spec = resource.spec
    if resource.name in source.upstreams:
        host, port = source.upstreams[resource.name]
        spec = spec.model_copy(update={"upstream": spec.upstream.model_copy(update={"host": host, "port": port})})
    if resource.name in source.listens:
        spec = spec.model_copy(update={"listen": spec.listen.model_copy(update={"port": source.listens[resource.name]})})
    return replace(resource, spec=spec)
