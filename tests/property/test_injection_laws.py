"""Laws of the injection over arbitrary pods and pools."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slipstream_operator.entries import pod_entry
from slipstream_operator.injector.inject import inject
from slipstream_operator.injector.pools import PoolFacts
from tests.fakes.pods import NAMESPACE, SETTINGS, a_pod, patched

PORTS = st.sampled_from([80, 8080, 9090, 15900, 15990, 65535])
HOSTS = st.sampled_from(["memory-server", "memory-server.agents", "tools", "tools.other.svc", "api.example.com", "10.0.0.1"])
PROBES = st.fixed_dictionaries({"httpGet": st.fixed_dictionaries({"port": st.one_of(PORTS, st.sampled_from(["web", "8080", "none"]))})})
ENV = st.lists(st.sampled_from(["A", "SLIPSTREAM_A_URL", "SLIPSTREAM_B_URL"]).map(lambda n: {"name": n, "value": "own"}), max_size=2)
CONTAINER = st.fixed_dictionaries(
    {"name": st.sampled_from(["one", "two", "three"])},
    optional={
        "ports": st.lists(st.fixed_dictionaries({"containerPort": PORTS}, optional={"name": st.just("web")}), max_size=2),
        "readinessProbe": PROBES,
        "env": ENV,
    },
)
SPEC = st.fixed_dictionaries(
    {},
    optional={
        "initContainers": st.lists(CONTAINER, max_size=2),
        "volumes": st.lists(st.just({"name": "data", "emptyDir": {}}), max_size=1),
        "hostAliases": st.lists(st.just({"ip": "10.0.0.9", "hostnames": ["tools"]}), max_size=1),
        "hostNetwork": st.booleans(),
    },
)
ANNOTATIONS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "slipstream.dev/upstreams": st.sampled_from(["", "memory-server:8080", "tools:80,memory-server:9090", "broken,tools:80"]),
            "slipstream.dev/cpu-limit": st.sampled_from(["10m", "4", "x"]),
            "slipstream.dev/memory-request": st.sampled_from(["64Mi", "1Gi", "1"]),
        },
    ),
)
POOL = st.builds(
    PoolFacts,
    name=st.sampled_from(["a", "b", "c"]),
    workloads=st.just(("agent",)),
    host=HOSTS,
    port=PORTS,
    alias=st.booleans(),
    passthrough=st.lists(PORTS, max_size=2).map(tuple),
)
POOLS = st.lists(POOL, max_size=3, unique_by=lambda pool: pool.name)


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    containers = draw(st.lists(CONTAINER, min_size=1, max_size=2))
    return a_pod("agent", *containers, annotations=draw(ANNOTATIONS), **draw(SPEC))


@given(pods(), POOLS, POOLS)
def test_injecting_twice_is_injecting_once(pod: dict[str, Any], first: list[PoolFacts], second: list[PoolFacts]) -> None:
    """Also where the pools have changed between two invocations of the webhook."""
    once = inject(pod, NAMESPACE, first, SETTINGS)
    again = patched(pod, once)
    if once.outcome == "Injected":
        assert inject(again, NAMESPACE, second, SETTINGS).ops == ()
    else:
        assert again == pod


@given(pods(), POOLS)
def test_nothing_that_the_owner_wrote_is_changed(pod: dict[str, Any], pools: list[PoolFacts]) -> None:
    """Taking away what was added gives the pod back."""
    before = copy.deepcopy(pod)
    result = patched(pod, inject(pod, NAMESPACE, pools, SETTINGS))
    assert pod == before
    spec, own = result["spec"], pod["spec"]
    assert [c["name"] for c in spec.get("initContainers", []) if c["name"] != "slipstream"] == [
        c["name"] for c in own.get("initContainers", [])
    ]
    for group in ("volumes", "hostAliases"):
        assert spec.get(group, [])[: len(own.get(group, []))] == own.get(group, [])
    added = [c for c in spec.get("initContainers", []) if c["name"] != "slipstream"]
    for mine, theirs in zip([*added, *spec["containers"]], [*own.get("initContainers", []), *own["containers"]], strict=True):
        env = theirs.get("env", [])
        assert mine.get("env", [])[len(mine.get("env", [])) - len(env) :] == env
        assert {k: v for k, v in mine.items() if k != "env"} == {k: v for k, v in theirs.items() if k != "env"}


@given(pods(), POOLS, POOLS)
def test_with_the_annotation_the_pools_make_no_difference(pod: dict[str, Any], first: list[PoolFacts], second: list[PoolFacts]) -> None:
    """What was applied first doesn't matter."""
    pod["metadata"].setdefault("annotations", {})["slipstream.dev/upstreams"] = "memory-server:8080"
    assert inject(pod, NAMESPACE, first, SETTINGS) == inject(pod, NAMESPACE, second, SETTINGS)


@given(pods(), POOLS)
def test_no_alias_points_at_a_port_of_the_pod(pod: dict[str, Any], pools: list[PoolFacts]) -> None:
    """Neither the upstream's port nor a passthrough port: the two sockets would exclude each other."""
    result = patched(pod, inject(pod, NAMESPACE, pools, SETTINGS))
    status = json.loads((result["metadata"].get("annotations") or {}).get("slipstream.dev/status", '{"endpoints": []}'))
    containers = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]
    declared = {p["containerPort"] for c in containers for p in c.get("ports", [])}
    assert not {e["port"] for e in [*status["endpoints"], *status.get("passthrough", [])] if e["alias"]} & declared


@given(pods(), POOLS)
def test_the_operator_reads_what_the_injector_wrote(pod: dict[str, Any], pools: list[PoolFacts]) -> None:
    """Of a pod that was just injected: a sidecar, an endpoint for each pool, and the alias or the reason why there is none."""
    pod["metadata"].get("annotations", {}).pop("slipstream.dev/upstreams", None)
    injection = inject(pod, NAMESPACE, pools, SETTINGS)
    if injection.outcome != "Injected":
        return
    result = patched(pod, injection)
    entry = pod_entry({**result, "metadata": {**result["metadata"], "uid": "u", "namespace": NAMESPACE, "name": "p"}})
    assert entry is not None
    assert entry.sidecar
    for pool in pools:
        endpoint = entry.injection.endpoint(pool.host, pool.port)
        assert endpoint is not None
        assert not pool.alias or endpoint.alias != (entry.injection.conflict(pool.host) is not None)
