"""Policies that change and targets that roll out: asked for once, after quiet, over restarts; and the key that carries it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slipstream_operator.loadtests.asking.ask import Ask, ask, meanwhile
from slipstream_operator.loadtests.asking.runkey import RunKey, parse_key, run_key
from slipstream_operator.loadtests.asking.triggers import PodSeen, PolicySeen, of_pods, of_policies
from slipstream_operator.loadtests.asking.turns import before, in_line, queue_of
from slipstream_operator.loadtests.facts import Facts, LoadTestFacts, ScheduleFacts, Surroundings
from slipstream_operator.loadtests.gathering.around import pod_seen, service_of

SPEC: dict[str, Any] = {"target": {"poolRef": {"name": "memory"}}, "stages": [{"name": "s", "users": 1, "duration": "5s"}]}
text = st.text(max_size=20)


class Test:
    """A LoadTest after its first run: what is asked for is remembered, and taken up when it begins."""

    __test__ = False

    def __init__(self, **around: Any) -> None:
        self.now = 1_000.0
        self.status: dict[str, Any] = {}
        self.around = Surroundings(on_policies=True, policies=policies(1), settle=30.0)
        self.around = replace(self.around, **around)
        self.began: list[str] = []

    def look(self) -> Ask:
        found = ask(Facts(LoadTestFacts("ns", "t", "u", 1, SPEC, self.status), around=self.around), self.now)
        observed = {**self.status.get("observed", {}), **found.note.get("observed", {})}
        self.status |= {**found.note, "observed": observed}
        if found.why is not None:
            self.began.append(found.why)
            self.status |= {"run": len(self.began), "runKey": str(found.key), "completionTime": "2026-01-01T00:00:00Z"}
        return found

    def watch(self, seconds: float, step: float = 10.0) -> list[str]:
        """What began in this time."""
        before, until = len(self.began), self.now + seconds
        while self.now < until:
            self.now += step
            self.look()
        return self.began[before:]


def policies(generation: int, programmed: bool = True) -> Any:
    return of_policies([PolicySeen("ConnectionPool", "memory", 1, True), PolicySeen("CachePolicy", "memory", generation, programmed)])


def test_a_new_generation_runs_once_when_it_has_been_in_force_for_a_while() -> None:
    """Not before, not twice."""
    test = Test()
    assert test.look().why == "SpecChanged"
    assert test.watch(100) == ["PolicyChange"]  # what the first run measured wasn't known to be quiet yet
    assert test.watch(300) == []
    test.around = replace(test.around, policies=policies(2, programmed=False))
    assert test.watch(300) == []
    test.around = replace(test.around, policies=policies(2))
    assert test.watch(29, step=9) == []
    assert test.watch(20) == ["PolicyChange"]
    assert test.watch(300) == []


def test_further_changes_begin_the_quiet_time_anew() -> None:
    """A generation each 20 s, then none: one run."""
    test = Test()
    test.look()
    test.watch(100)
    for generation in range(2, 8):
        test.around = replace(test.around, policies=policies(generation))
        assert test.watch(20) == []
    assert test.watch(60) == ["PolicyChange"]


def test_a_change_that_was_taken_back_runs_nothing() -> None:
    """Back to the set that the last run measured."""
    test = Test()
    test.look()
    test.watch(100)
    first = test.around.policies
    test.around = replace(test.around, policies=policies(2))
    test.watch(20)
    test.around = replace(test.around, policies=first)
    assert test.watch(200) == []


def test_policies_that_are_not_known_yet_are_no_change() -> None:
    """After a restart the caches fill: nothing is asked for meanwhile, nothing forgotten."""
    test = Test()
    test.look()
    test.watch(100)
    known = test.around.policies
    test.around = replace(test.around, policies=None)
    assert test.watch(100) == []
    test.around = replace(test.around, policies=known)
    assert test.watch(100) == []


def test_switched_on_after_a_run_it_counts_from_then_on() -> None:
    """No run for what there is; one for what changes."""
    test = Test(on_policies=False)
    assert test.look().why == "SpecChanged"
    assert test.watch(100) == []
    test.around = replace(test.around, on_policies=True)
    assert test.watch(100) == []
    test.around = replace(test.around, policies=policies(2))
    assert test.watch(100) == ["PolicyChange"]


def test_a_rollout_runs_when_all_pods_are_new_and_ready() -> None:
    """Old, mixed, new but not ready, new. Scaling and a replaced pod of the same template are no rollout."""
    old, new = PodSeen("1", "aaa", True), PodSeen("2", "bbb", True)
    test = Test(on_policies=False, on_rollout=True, rollout=of_pods([old]))
    test.look()
    assert test.watch(100) == ["Rollout"]
    test.around = replace(test.around, rollout=of_pods([old, replace(old, uid="3")]))
    assert test.watch(100) == []
    test.around = replace(test.around, rollout=of_pods([old, replace(new, ready=False)]))
    assert test.watch(100) == []
    test.around = replace(test.around, rollout=of_pods([replace(new, ready=False)]))
    assert test.watch(100) == []
    test.around = replace(test.around, rollout=of_pods([new]))
    assert test.watch(100) == ["Rollout"]
    assert test.watch(100) == []


def test_pods_are_told_apart_by_their_template() -> None:
    """A pod on its way out counts no more; readiness is the kubelet's."""
    pod: dict[str, Any] = {
        "metadata": {"uid": "1", "labels": {"pod-template-hash": "abc"}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    assert pod_seen(pod) == PodSeen("1", "abc", True)
    assert pod_seen({**pod, "status": {}}) == PodSeen("1", "abc", False)
    assert pod_seen({**pod, "metadata": {**pod["metadata"], "deletionTimestamp": "x"}}) is None


def test_hosts_that_are_services() -> None:
    """As the cluster's names are built; a host outside is none."""
    assert service_of("memory", "ns") == ("ns", "memory")
    assert service_of("memory.other.svc.cluster.local.", "ns") == ("other", "memory")
    assert service_of("api.example.com", "ns") is None


@given(spec=text, rerun=text, tick=st.sampled_from(["", "2026-01-01T00:00:00Z"]), policies=text, rollout=text)
def test_a_key_comes_back_whatever_the_user_writes(spec: str, rerun: str, tick: str, policies: str, rollout: str) -> None:
    """`rerun` is free text; the others are digests."""
    key = RunKey(spec.replace("/", ""), rerun, tick, policies.replace("/", ""), rollout.replace("/", ""))
    assert parse_key(str(key)) == key


def test_a_tick_during_a_run_is_left_out_or_replaces_it() -> None:
    """The promise moves on with Forbid, so that the tick doesn't come back; with Replace it stays until the run begins."""
    status = {"run": 1, "runKey": run_key(SPEC), "nextScheduleTime": "1970-01-01T00:10:00Z"}
    facts = Facts(LoadTestFacts("ns", "t", "u", 1, SPEC, status), around=Surroundings(schedule=ScheduleFacts("*/10 * * * *")))
    found = meanwhile(facts, 610.0)
    assert (found.replaced, found.note) == ("", {"nextScheduleTime": "1970-01-01T00:20:00Z"})
    replacing = replace(facts, around=Surroundings(schedule=ScheduleFacts("*/10 * * * *", concurrency="Replace")))
    found = meanwhile(replacing, 610.0)
    assert (found.replaced, dict(found.note)) == ("1970-01-01T00:10:00Z", {})


def test_the_order_of_a_queue() -> None:
    """Who runs is first; then by the time of asking, the object's age, the name; another queue and the dead don't count."""

    def thing(name: str, **status: Any) -> dict[str, Any]:
        return {"metadata": {"name": name, "creationTimestamp": f"2026-01-01T00:00:0{name}Z"}, "spec": SPEC, "status": status}

    things = [
        thing("1", queuedAt="2026-01-01T00:01:00Z"),
        thing("2", runKey="k"),
        thing("3", queuedAt="2026-01-01T00:00:30Z"),
        {**thing("4", queuedAt="2026-01-01T00:00:00Z"), "spec": {**SPEC, "queue": "other"}},
        {**thing("5", queuedAt="2026-01-01T00:00:00Z"), "spec": {**SPEC, "suspend": True}},
        thing("6", runKey="k", completionTime="x"),
    ]
    others = in_line(things, "9", SPEC)
    assert [one.name for one in before(others, "9", "2026-01-01T00:00:09Z", "")] == ["2", "3", "1"]
    assert [one.name for one in before(others, "9", "2026-01-01T00:00:09Z", "2026-01-01T00:00:40Z")] == ["2", "3"]
    assert [one.name for one in before(others, "0", "2025-01-01T00:00:00Z", "2026-01-01T00:00:30Z")] == ["2"]


def test_which_queue_a_test_is_in() -> None:
    """Its own, else its target's."""
    assert queue_of(SPEC) == "pool/memory"
    assert queue_of({"target": {"url": "http://memory:8080"}}) == "url/memory:8080"
    assert queue_of(SPEC | {"queue": "mine"}) == "queue/mine"
