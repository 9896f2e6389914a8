"""compile: who is told what, and what is said about each policy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstream_api.compile import Finding, compile, resolve_refs  # noqa: A004 - the word of the design
from slipstream_api.config import StoreConfig, canonical, decode
from slipstream_api.load import to_resource
from slipstream_api.resources import Resource

REF = {"group": "slipstream.dev", "kind": "ConnectionPool", "name": "memory"}


def resource(kind: str, name: str, spec: dict[str, Any], age: int = 0, namespace: str = "default") -> Resource:
    """A resource; the greater `age`, the older it is."""
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": f"2026-01-{28 - age:02}T00:00:00Z"}
    return to_resource({"apiVersion": "slipstream.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})


def pool(name: str = "memory", age: int = 0, workloads: tuple[str, ...] = ("agent",), port: int = 8080, **spec: Any) -> Resource:
    upstream = {"protocol": "HTTP", "host": "memory-server", "port": port}
    return resource("ConnectionPool", name, {"workloads": list(workloads), "upstream": upstream, **spec}, age)


def rule(name: str, **match: Any) -> dict[str, Any]:
    return {"name": name, "match": {"http": match or {"path": f"/{name}"}}, "ttl": "5m", "tags": ["t"]}


def cache(name: str, *rules: dict[str, Any], age: int = 0, refs: tuple[str, ...] = ("memory",), **spec: Any) -> Resource:
    return resource("CachePolicy", name, {"targetRefs": [REF | {"name": ref} for ref in refs], "rules": list(rules), **spec}, age)


def breaker(name: str, age: int = 0, **spec: Any) -> Resource:
    return resource("CircuitBreaker", name, {"targetRefs": [REF], "rules": [{"name": "default"}], **spec}, age)


def said(findings: tuple[Finding, ...], name: str, type_: str) -> list[tuple[str, str, str | None]]:
    return [(f.status, f.reason, f.rule) for f in findings if f.name == name and f.type == type_]


def test_a_pool_with_its_policies_becomes_one_configuration() -> None:
    """Durations in ms, sizes in bytes, names lower case, defaults of list items filled; the sidecar can read it back."""
    partition = {"type": "Header", "headers": ["X-Session-Id"]}
    compiled = compile("default", "agent", [pool(), cache("reads", rule("recall") | {"partition": partition}), breaker("b")])
    (only,) = compiled.config.pools
    (cached,) = only.cache_rules
    assert (cached.ttl_ms, cached.partition.headers, cached.ttl_jitter_percent, cached.store) == (300_000, ("x-session-id",), 10, "reads")
    assert only.breaker_rules[0].open.duration_ms == 60_000
    assert compiled.config.stores[0].max_bytes == 64 << 20
    assert decode(canonical(compiled.config)) == compiled.config
    assert len(compiled.revision) == 64


def test_other_workloads_and_namespaces_have_no_part_in_it() -> None:
    """A pool of another workload, a policy of another namespace."""
    foreign = resource("CachePolicy", "foreign", {"targetRefs": [REF], "rules": [rule("x")]}, namespace="other")
    compiled = compile("default", "agent", [pool(), pool("theirs", workloads=("them",), port=9), foreign])
    assert [p.name for p in compiled.config.pools] == ["memory"]
    assert compiled.config.pools[0].cache_rules == ()


def test_the_older_policy_keeps_a_rule_that_two_have() -> None:
    """The loser's rule is reported, not the whole policy: its other rule is in force."""
    old, new = cache("old", rule("recall"), age=5), cache("new", rule("recall", path="/other"), rule("search"), age=1)
    compiled = compile("default", "agent", [pool(), new, old])
    assert [(r.name, r.policy) for r in compiled.config.pools[0].cache_rules] == [("recall", "old"), ("search", "new")]
    assert said(compiled.findings, "new", "Enforced") == [("False", "PartiallyEnforced", None), ("False", "PartiallyEnforced", "recall")]
    assert said(compiled.findings, "new", "Accepted") == []
    assert said(compiled.findings, "old", "Enforced") == [("True", "Enforced", None)]
    message = next(f.message for f in compiled.findings if f.rule == "recall")
    assert "CachePolicy old is older" in message
    assert "rename it" in message


def test_a_policy_that_lost_every_rule_is_conflicted() -> None:
    """Nothing of it is left, so it isn't accepted; without a time stamp the name decides."""
    compiled = compile("default", "agent", [pool(), cache("b", rule("recall")), cache("a", rule("recall"))])
    assert said(compiled.findings, "b", "Accepted") == [("False", "Conflicted", None)]
    assert ("False", "Overridden", None) in said(compiled.findings, "b", "Enforced")


def test_two_pools_with_one_upstream_conflict() -> None:
    """They would share an address: the older one has it."""
    compiled = compile("default", "agent", [pool("younger"), pool("older", age=3)])
    assert [p.name for p in compiled.config.pools] == ["older"]
    assert said(compiled.findings, "younger", "Accepted") == [("False", "Conflicted", None)]


@pytest.mark.parametrize(
    ("names", "reason"), [(("memory",), "ResolvedRefs"), (("memory", "gone"), "PartiallyResolved"), (("gone",), "TargetNotFound")]
)
def test_missing_pools_are_named(names: tuple[str, ...], reason: str) -> None:
    """All, some or none of the pools are there; the message says which aren't."""
    policy = cache("reads", rule("recall"), refs=names)
    found = resolve_refs(policy, [pool(), policy])
    assert found.reason == reason
    assert ("gone" in found.message) == (reason != "ResolvedRefs")


@pytest.mark.parametrize(("there", "reason"), [((), "PartiallyResolved"), (("spare",), "ResolvedRefs")])
def test_a_pool_that_a_fallback_leads_to_must_be_there(there: tuple[str, ...], reason: str) -> None:
    """Named, with where to correct it; once it is there nothing is said of it but that it was found."""
    steps = [{"name": "default", "fallback": [{"type": "Upstream", "pool": "spare"}]}]
    found = resolve_refs(breaker("b", rules=steps), [pool(), *(pool(name) for name in there)])
    assert found.reason == reason
    assert "spare" in found.message
    assert ("spec.rules[].fallback" in found.message) == (not there)


def test_rules_are_tried_most_specific_first() -> None:
    """Exact path, template, longer prefix, shorter prefix, all; ties by name."""
    rules = (
        rule("all", pathPrefix="/"),
        rule("prefix", pathPrefix="/a/b"),
        rule("template", pathTemplate="/a/{x}"),
        rule("exact", path="/a/b"),
        rule("exact2", path="/a/b", methods=["GET"]),
        rule("deeper", pathTemplate="/a/{x}/c"),
    )
    compiled = compile("default", "agent", [pool(), cache("c", *rules)])
    assert [r.name for r in compiled.config.pools[0].cache_rules] == ["exact2", "exact", "deeper", "template", "prefix", "all"]


@pytest.mark.parametrize(("mode", "reason", "rules"), [("Disabled", "Disabled", 0), ("Shadow", "Shadowed", 1), ("Enforce", "Enforced", 1)])
def test_modes(mode: str, reason: str, rules: int) -> None:
    """Disabled contributes nothing; Shadow contributes rules that change nothing; each says so."""
    compiled = compile("default", "agent", [pool(), cache("c", rule("recall"), mode=mode)])
    assert len(compiled.config.pools[0].cache_rules) == rules
    assert said(compiled.findings, "c", "Enforced")[0][1] == reason


def test_what_is_not_enforced_yet_is_named() -> None:
    """A field of a later version is accepted and reported; its inert value isn't."""
    policy = cache("c", rule("recall") | {"match": {"mcp": {"methods": ["tools/list"]}}})
    (found,) = (f for f in compile("default", "agent", [pool(), policy]).findings if f.type == "Warning")
    assert (found.status, found.reason) == ("True", "NotEnforced")
    assert "rules[recall].match.mcp" in found.message
    inert = cache("c", rule("recall"))
    assert [f for f in compile("default", "agent", [pool(), inert]).findings if f.type == "Warning"] == []


def test_a_stores_bounds_algorithm_quota_and_compression_reach_the_sidecar() -> None:
    """And what isn't said means what it meant before there was a quota and a compression."""
    said_so = {"maxBytes": "1Mi", "maxEntries": 7, "maxEntryBytes": "1Ki", "eviction": "SIEVE", "maxPartitionPercent": 25}
    policy = cache("c", rule("recall"), storage=said_so | {"compression": {"type": "Zstd", "minBytes": "2Ki"}})
    (store,) = compile("default", "agent", [pool(), policy]).config.stores
    assert store == StoreConfig(
        name="c",
        max_bytes=1 << 20,
        max_entries=7,
        max_entry_bytes=1 << 10,
        eviction="SIEVE",
        max_partition_percent=25,
        compression="Zstd",
        compression_min_bytes=2 << 10,
    )
    (store,) = compile("default", "agent", [pool(), cache("c", rule("recall"))]).config.stores
    assert (store.max_partition_percent, store.compression, store.eviction) == (100, "None", "LRU")


def test_addresses_in_a_pod_and_ports_on_a_laptop() -> None:
    """HostAlias adds the upstream's own port; the standalone command listens on 127.0.0.1 only."""
    aliased = pool(listen={"intercept": "HostAlias", "port": 18080, "passthroughPorts": [9090]})
    other = pool("other", port=9000)
    binds = {p.name: p for p in compile("default", "agent", [aliased, other]).config.pools}
    assert [(b.kind, b.port) for b in binds["memory"].binds] == [("Address", 15900), ("Alias", 8080)]
    assert [(b.kind, b.port) for b in binds["other"].binds] == [("Address", 15901)]
    assert binds["memory"].binds[0].address == binds["other"].binds[0].address
    assert [p.port for p in binds["memory"].passthrough] == [9090]
    local = {p.name: p for p in compile("default", "agent", [aliased, other], "Local").config.pools}
    assert [(b.kind, b.address, b.port) for b in local["memory"].binds] == [("Local", "127.0.0.1", 18080)]
    assert [(b.kind, b.port) for b in local["other"].binds] == [("Local", 15900)]


RESOURCES = [
    pool(),
    pool("younger", age=0, port=8081),
    pool("twin", age=2),
    cache("old", rule("recall"), rule("a", pathPrefix="/a"), age=5),
    cache("new", rule("recall"), rule("search"), age=1, refs=("memory", "younger")),
    breaker("b1", age=1),
    breaker("b2", age=2, mode="ForcedOpen"),
]


@given(st.permutations(RESOURCES))
def test_the_order_of_resources_does_not_matter(shuffled: list[Resource]) -> None:
    """Same bytes, same findings."""
    one, other = compile("default", "agent", RESOURCES), compile("default", "agent", shuffled)
    assert canonical(one.config) == canonical(other.config)
    assert one.findings == other.findings


def test_a_policy_that_lost_its_rule_on_one_pool_is_in_force_on_the_other() -> None:
    """Only what is lost before every pool makes a policy Conflicted."""
    two = cache("new", rule("recall"), refs=("memory", "other"), age=1)
    compiled = compile("default", "agent", [pool(), pool("other", port=9), cache("old", rule("recall"), age=5), two])
    assert [r.policy for p in compiled.config.pools for r in p.cache_rules] == ["old", "new"]
    assert said(compiled.findings, "new", "Accepted") == []
    assert said(compiled.findings, "new", "Enforced") == [("False", "PartiallyEnforced", None), ("False", "PartiallyEnforced", "recall")]
    both = cache("old", rule("recall"), refs=("memory", "other"), age=5)
    compiled = compile("default", "agent", [pool(), pool("other", port=9), both, two])
    assert said(compiled.findings, "new", "Accepted") == [("False", "Conflicted", None)]


def test_a_policy_before_a_pool_without_upstream_is_told_so() -> None:
    """The pool lost its upstream to an older one: nothing of the policy is in force, and the message names the pool."""
    compiled = compile("default", "agent", [pool("younger"), pool("older", age=3), cache("reads", rule("recall"), refs=("younger",))])
    assert said(compiled.findings, "reads", "Enforced") == [("False", "Overridden", None)]
    message = next(f.message for f in compiled.findings if f.name == "reads" and f.type == "Enforced")
    assert "ConnectionPool younger" in message
    assert "ConnectionPool older is older" in message


def test_a_port_is_forwarded_once_and_never_a_pools_own() -> None:
    """As the injector gives them: only of aliased hosts, without the ports that pools have."""
    one = pool("one", age=2, listen={"intercept": "HostAlias", "passthroughPorts": [9090, 9091]})
    two = pool("two", age=1, port=9090, listen={"intercept": "HostAlias", "passthroughPorts": [9091, 9092]})
    plain = pool("plain", port=9093, listen={"passthroughPorts": [9094]})
    pools = {p.name: p for p in compile("default", "agent", [plain, two, one]).config.pools}
    assert [[p.port for p in pools[name].passthrough] for name in ("one", "two", "plain")] == [[9091], [9092], []]


def test_a_resource_without_a_time_stamp_is_younger_than_all_that_have_one() -> None:
    """A file beside a cluster's resources never takes a rule from them, whatever its name; two files go by name."""
    from_file = to_resource(
        {
            "apiVersion": "slipstream.dev/v1alpha1",
            "kind": "CachePolicy",
            "metadata": {"name": "a"},
            "spec": {"targetRefs": [REF], "rules": [rule("recall")]},
        }
    )
    compiled = compile("default", "agent", [pool(), from_file, cache("z", rule("recall"))])
    assert [r.policy for r in compiled.config.pools[0].cache_rules] == ["z"]


def leading(name: str, frm: str, *to: str) -> Resource:
    """A breaker before a pool whose calls may go to others: the first by one rule, the second by another."""
    rules = [{"name": f"{name}-{other}", "fallback": [{"type": "Upstream", "pool": other}, {"type": "FailFast"}]} for other in to]
    return resource("CircuitBreaker", name, {"targetRefs": [REF | {"name": frm}], "rules": rules})


def ways(compiled: Any) -> list[tuple[str, str]]:
    return [(p.name, s.pool) for p in compiled.config.pools for r in p.breaker_rules for s in r.fallback if s.type == "Upstream"]


def test_a_fallback_leads_to_another_pool_of_the_workload() -> None:
    """And is in force; the rest of its chain stays as it is."""
    compiled = compile("default", "agent", [pool(), pool("replica", port=9), leading("b", "memory", "replica")])
    assert ways(compiled) == [("memory", "replica")]
    assert said(compiled.findings, "b", "Enforced") == [("True", "Enforced", None)]
    assert [s.type for s in compiled.config.pools[0].breaker_rules[0].fallback] == ["Upstream", "FailFast"]


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ([], "it isn't a pool of this workload"),
        ([pool("replica", port=9, workloads=("web",))], "it isn't a pool of this workload"),
    ],
)
def test_a_fallback_to_a_pool_that_isnt_there_is_left_out_and_said(others: list[Resource], why: str) -> None:
    """The rest of the chain answers; the policy says what is missing."""
    compiled = compile("default", "agent", [pool(), *others, leading("b", "memory", "replica")])
    assert ways(compiled) == []
    assert [s.type for s in compiled.config.pools[0].breaker_rules[0].fallback] == ["FailFast"]
    assert said(compiled.findings, "b", "Enforced") == [("False", "PartiallyEnforced", None)]
    assert why in next(f.message for f in compiled.findings if f.name == "b" and f.type == "Enforced")


def test_fallbacks_never_lead_in_a_circle() -> None:
    """Neither to the pool itself, nor back over others; a diamond is no circle."""
    pools = [pool(name, port=port) for port, name in enumerate(("a", "b", "c", "d"), 1)]
    circle = [leading("ra", "a", "b"), leading("rb", "b", "c"), leading("rc", "c", "a"), leading("rd", "d", "d")]
    compiled = compile("default", "agent", [*pools, *circle])
    assert ways(compiled) == [("a", "b"), ("b", "c")]
    assert [said(compiled.findings, name, "Enforced")[0][0] for name in ("ra", "rb", "rc", "rd")] == ["True", "True", "False", "False"]
    diamond = [leading("ra", "a", "b", "c"), leading("rb", "b", "d"), leading("rc", "c", "d")]
    assert ways(compile("default", "agent", [*pools, *diamond])) == [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]
