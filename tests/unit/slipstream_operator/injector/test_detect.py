"""What the operator sees in a pod: the states behind the condition Injected, each with its neighbour."""

from __future__ import annotations

from typing import Any

import pytest

from slipstream_operator.injector.detect import Detection, detect, expected_of, extract
from slipstream_operator.injector.pools import PoolFacts
from tests.fakes.pods import a_container, a_pod, a_pool, injected

CONFLICTING = a_container(ports=[{"containerPort": 8080}])


def look(pod: dict[str, Any], *pools: PoolFacts) -> Detection:
    return detect(extract(pod), [expected_of(pool) for pool in pools])


def test_a_pod_that_was_given_everything_is_injected() -> None:
    """Nothing to do, nothing to say."""
    assert look(injected(a_pod(), a_pool()), a_pool()) == Detection("Injected")


def test_a_pod_without_a_sidecar_is_missing_one() -> None:
    """It escaped the injector."""
    found = look(a_pod(), a_pool())
    assert found.state == "MissingSidecar"
    assert "estart" in found.message


def test_a_pod_older_than_its_pool_is_outdated() -> None:
    """It has a sidecar, but no address for this upstream."""
    found = look(injected(a_pod()), a_pool())
    assert found.state == "Outdated"
    assert "memory-server:8080" in found.message
    assert "restart" in found.message


def test_a_pod_from_before_the_pools_alias_is_outdated() -> None:
    """Its hosts file doesn't know the name; the other way round nothing is lacking."""
    assert look(injected(a_pod(), a_pool(alias=False)), a_pool()).state == "Outdated"
    assert look(injected(a_pod(), a_pool()), a_pool(alias=False)).state == "Injected"


def test_a_pod_from_before_a_passthrough_port_is_outdated() -> None:
    """Calls to that port are refused until it is restarted."""
    pool = a_pool(passthrough=(9090,))
    assert look(injected(a_pod(), a_pool()), pool).state == "Outdated"
    assert look(injected(a_pod(), pool), pool).state == "Injected"


def test_where_the_annotation_decides_a_restart_is_not_enough() -> None:
    """The message says where to add the upstream."""
    pod = injected(a_pod(annotations={"slipstream.dev/upstreams": "other:80"}))
    found = look(pod, a_pool())
    assert found.state == "Outdated"
    assert "slipstream.dev/upstreams" in found.message
    assert look(injected(a_pod(annotations={"slipstream.dev/upstreams": "memory-server:8080"})), a_pool()).state == "Injected"


def test_an_alias_that_was_left_out_is_a_conflict() -> None:
    """Of this pool, and only of a pool that wants the alias."""
    pod = injected(a_pod("agent", CONFLICTING), a_pool(), a_pool("other", "other", 80))
    found = look(pod, a_pool())
    assert found.state == "PortConflict"
    assert "8080" in found.message
    assert look(pod, a_pool("other", "other", 80)).state == "Injected"
    assert look(pod, a_pool(alias=False)).state == "Injected"


def test_outdated_is_worse_than_a_conflict() -> None:
    """What is missing altogether comes first."""
    pod = injected(a_pod("agent", CONFLICTING), a_pool())
    assert look(pod, a_pool(), a_pool("new", "new", 80)).state == "Outdated"


@pytest.mark.parametrize(
    ("pod", "state"),
    [
        (a_pod(annotations={"slipstream.dev/inject": "false"}), "OptedOut"),
        (a_pod(hostNetwork=True), "HostNetwork"),
        (a_pod(labels={"slipstream.dev/role": "runner"}), "Runner"),
        (injected(a_pod(labels={"slipstream.dev/role": "runner"})), "Runner"),
    ],
)
def test_pods_that_are_not_meant(pod: dict[str, Any], state: str) -> None:
    """Each by its own name; none counts as missing."""
    assert look(pod, a_pool()).state == state


@pytest.mark.parametrize("status", [None, "", "nonsense", "[]", "{}", '{"endpoints": 1, "conflicts": []}'])
def test_a_sidecar_that_nobody_can_account_for_is_outdated(status: str | None) -> None:
    """A container of that name alone proves nothing."""
    pod = a_pod(initContainers=[a_container("slipstream")], annotations={} if status is None else {"slipstream.dev/status": status})
    assert look(pod, a_pool()).state == "Outdated"


def test_an_injected_pod_is_judged_by_its_sidecar_even_if_it_opts_out_later() -> None:
    """The annotation matters at creation only."""
    pod = injected(a_pod(annotations={"a": "b"}), a_pool())
    pod["metadata"]["annotations"]["slipstream.dev/inject"] = "false"
    assert look(pod, a_pool()).state == "Injected"
