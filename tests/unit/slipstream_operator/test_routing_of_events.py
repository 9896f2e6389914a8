"""Which keys an event is about: old and new targets, everything that has to learn of a pool, nothing for what isn't kept."""

from __future__ import annotations

from typing import Any

import pytest

from slipstream_operator.caches import index_config_map, index_pod
from slipstream_operator.entries import config_map_entry, pod_entry
from slipstream_operator.routing import Keys, Router
from tests.fakes import policies as make
from tests.fakes.cluster import Cluster

NS = make.NS


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def heard(cluster: Cluster, router: Router, manifest: dict[str, Any], *, gone: bool = False) -> Keys:
    """The object comes, changes or goes; what is to be looked at."""
    body = cluster.remove(manifest) if gone else cluster.put(manifest)
    key = (manifest["kind"], NS, manifest["metadata"]["name"])
    return router.policy(key, body["metadata"]["uid"], None if gone else cluster.caches.policy(key))


def test_a_pool_concerns_its_workloads_and_whoever_names_it(cluster: Cluster) -> None:
    """A cache that waited for it learns that it came, and that it went."""
    router = Router(cluster.caches)
    heard(cluster, router, make.cache())
    keys = heard(cluster, router, make.pool(workloads=("agent", "other")))
    assert keys.workloads == {(NS, "agent"), (NS, "other")}
    assert keys.policies == {("ConnectionPool", NS, "memory"), ("CachePolicy", NS, "memory")}
    keys = heard(cluster, router, make.pool(workloads=("agent", "other")), gone=True)
    assert keys.workloads == {(NS, "agent"), (NS, "other")}
    assert ("CachePolicy", NS, "memory") in keys.policies


def test_a_pool_concerns_the_breakers_whose_fallbacks_lead_to_it(cluster: Cluster) -> None:
    """They say whether it is there; one whose fallback leads elsewhere isn't asked."""
    router = Router(cluster.caches)
    steps = [{"name": "default", "fallback": [{"type": "Upstream", "pool": "spare"}]}]
    heard(cluster, router, make.breaker("there", rules=steps))
    heard(cluster, router, make.breaker("elsewhere"))
    keys = heard(cluster, router, make.pool("spare", workloads=("other",), host="spare"))
    assert keys.policies == {("ConnectionPool", NS, "spare"), ("CircuitBreaker", NS, "there")}


def test_a_target_that_was_let_go_is_looked_at_too(cluster: Cluster) -> None:
    """The index has forgotten it already."""
    router = Router(cluster.caches)
    heard(cluster, router, make.pool(workloads=("agent",)))
    assert heard(cluster, router, make.pool(workloads=("other",))).workloads == {(NS, "agent"), (NS, "other")}
    heard(cluster, router, make.pool("second", workloads=("third",), host="h2"))
    heard(cluster, router, make.cache(pools=("memory",)))
    assert heard(cluster, router, make.cache(pools=("second",))).workloads == {(NS, "other"), (NS, "third")}


def test_a_status_of_ones_own_concerns_nobody_else(cluster: Cluster) -> None:
    """Else each write would be another round for everybody."""
    router = Router(cluster.caches)
    heard(cluster, router, make.pool())
    written = {**make.pool(), "status": {"summary": {"pods": "1/1"}}}
    assert heard(cluster, router, written) == Keys(policies=frozenset({("ConnectionPool", NS, "memory")}))


def test_a_successor_of_the_same_name_is_another(cluster: Cluster) -> None:
    """Deleted and made again while a watch was broken."""
    router = Router(cluster.caches)
    heard(cluster, router, make.pool())
    cluster.remove(make.pool())
    assert heard(cluster, router, make.pool()).workloads == {(NS, "agent")}


def test_a_pod_concerns_its_workload_when_what_is_kept_of_it_changes() -> None:
    """A kubelet's heartbeat doesn't."""
    cluster = Cluster()
    router = Router(cluster.caches)
    body = make.pod()
    uid = body["metadata"]["uid"]
    assert router.pod(uid, pod_entry(body)) == Keys(frozenset({(NS, "agent")}), pods=frozenset({(NS, uid)}))
    body["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    assert router.pod(uid, pod_entry(body)) == Keys()
    assert router.pod(uid, None).workloads == {(NS, "agent")}
    assert router.pod(uid, None) == Keys()


def test_a_pod_concerns_the_policies_of_its_workload(cluster: Cluster) -> None:
    """One without a sidecar never reports anything, and they have to show it all the same; another workload's pod is nobody's."""
    router = Router(cluster.caches)
    for manifest in (make.pool(), make.cache()):
        heard(cluster, router, manifest)
    assert {key[0] for key in router.pod("uid-1", pod_entry(make.pod())).policies} == {"ConnectionPool", "CachePolicy"}
    assert router.pod("uid-2", pod_entry(make.pod(workload="other"))).policies == frozenset()


def test_a_pod_that_changes_its_label_concerns_both_workloads() -> None:
    """The one that it left counts one less."""
    router = Router(Cluster().caches)
    uid = make.pod()["metadata"]["uid"]
    router.pod(uid, pod_entry(make.pod()))
    assert router.pod(uid, pod_entry(make.pod(workload="other"))).workloads == {(NS, "agent"), (NS, "other")}


def test_a_config_map_concerns_its_workload() -> None:
    """Drift."""
    body = {"metadata": {"namespace": NS, "name": "slipstream-agent", "uid": "u", "labels": {"slipstream.dev/workload": "agent"}}}
    entry = config_map_entry(body)
    assert entry is not None
    assert Router(Cluster().caches).config_map(entry).workloads == {(NS, "agent")}


def test_what_is_watched_and_concerns_nobody_is_indexed_as_other() -> None:
    """So that a comparison with the API server finds it, and nothing else does."""
    body = {"metadata": {"namespace": NS, "name": "slipstream-public-keys", "uid": "u", "labels": {}}}
    assert list(index_config_map(body)) == [("other", NS, "u")]
    bare = make.pod(workload="")
    assert list(index_pod(bare)) == [("other", NS, bare["metadata"]["uid"])]


@pytest.mark.parametrize(
    ("change", "counts"),
    [({}, True), ({"phase": "Succeeded"}, False), ({"labels": {"slipstream.dev/role": "runner"}}, False), ({"phase": "Pending"}, True)],
)
def test_runners_and_finished_pods_never_count(change: dict[str, Any], counts: bool) -> None:
    """They get their configuration, but no policy waits for them."""
    entry = pod_entry(make.pod(**change))
    assert entry is not None
    assert entry.counts is counts


def test_a_pod_that_is_being_deleted_doesnt_count() -> None:
    """It serves, but won't for long."""
    body = make.pod()
    body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    entry = pod_entry(body)
    assert entry is not None
    assert not entry.counts


@pytest.mark.parametrize("text", ["", "{", '{"endpoints": 1}'])
def test_an_unreadable_annotation_counts_as_none(text: str) -> None:
    """Nobody but the injector writes it."""
    entry = pod_entry(make.pod(annotations={"slipstream.dev/status": text}))
    assert entry is not None
    assert entry.injection.endpoints == ()


def test_the_caches_are_views_without_the_dead(cluster: Cluster) -> None:
    """A uid never comes back."""
    body = cluster.put(make.pool())
    view = cluster.caches.policies["ConnectionPool"]
    assert [e.name for e in cluster.caches.pools_of(NS, "agent")] == ["memory"]
    assert [e.uid for e in view.bury([body["metadata"]["uid"]])] == [body["metadata"]["uid"]]
    assert cluster.caches.pools_of(NS, "agent") == ()
    assert cluster.caches.policy(("ConnectionPool", NS, "memory")) is None
    assert view.uids() == set()
