"""Every sample: policies that are valid and do what a reader expects, workloads that are hardened and fit the policies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from memory_server.agent import arguments
from memory_server.app import application
from memory_server.database import Database
from slipstream_api.load import load_paths
from slipstream_api.models import CachePolicySpec, ConnectionPoolSpec, LoadTestSpec
from slipstream_api.scalars import parse_duration
from slipstream_api.validate import validate
from slipstream_loadtest.judged.alike import few
from slipstream_loadtest.plan.build import Route, Routes, build_plan
from slipstream_operator.injector.inject import INJECTED, inject
from tests.fakes.manifests import but, documents, pod_problems, selector_problems
from tests.fakes.pods import SETTINGS

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
POLICIES = [(path, document) for path, document in documents(SAMPLES) if path.parent == SAMPLES]
LOADTESTS = [(path, document) for path, document in documents(SAMPLES) if path.parent == SAMPLES / "loadtests"]
EVERYTHING = SAMPLES / "everything"
CLUSTER = [document for path, document in documents(SAMPLES) if path.parent not in (SAMPLES, SAMPLES / "loadtests", EVERYTHING)]
BUILT_IN = {"user", "session", "iteration"}


def specs() -> dict[str, Any]:
    return {resource.kind: resource.spec for resource in load_paths([SAMPLES]).resources}


def deployment(name: str) -> Any:
    (found,) = [d for d in CLUSTER if d["kind"] == "Deployment" and d["metadata"]["name"] == name]
    return found


def pod_of(name: str) -> Any:
    return deployment(name)["spec"]["template"]


@pytest.mark.parametrize(("path", "document"), POLICIES, ids=[path.stem for path, _ in POLICIES])
def test_a_policy_is_valid(path: Path, document: dict[str, Any]) -> None:
    """As the API server would say; and the same policy with a field that isn't there is not."""
    assert validate(document) == ()
    assert validate(but(document, lambda d: d["spec"].update({"tll": "5m"}))) != ()


def test_every_document_is_read_by_one_of_these_tests() -> None:
    """A sample that nobody looks at goes stale."""
    assert not list(SAMPLES.rglob("*.yml"))
    assert {document["kind"] for _, document in POLICIES} == {"ConnectionPool", "CachePolicy", "CircuitBreaker", "LoadTest"}
    assert {document["kind"] for document in CLUSTER} == {"Deployment", "Service"}


async def test_rules_match_operations_that_the_memory_server_has(tmp_path: Path) -> None:
    """Reads are GET, what invalidates is POST, the health check is served: a misspelt path would silently match nothing."""
    database = Database(tmp_path / "memory.db")
    served = {(route.method, route.resource.canonical) for route in application(database).router.routes() if route.resource}
    await database.close()
    cache, pool = specs()["CachePolicy"], specs()["ConnectionPool"]
    assert isinstance(cache, CachePolicySpec)
    assert isinstance(pool, ConnectionPoolSpec)
    kept = {("GET", rule.match.http.path) for rule in cache.rules if rule.match.http}
    ending = {("POST", rule.match.http.path) for rule in cache.invalidations if rule.match.http}
    assert kept | ending <= served
    assert kept | ending == {(m, p) for m, p in served if m in ("GET", "POST") and p.startswith(("/episodic/", "/semantic/"))}
    assert pool.health_check is not None
    assert pool.health_check.http is not None
    assert ("GET", pool.health_check.http.path) in served


def test_whatever_a_session_writes_ends_what_is_kept_of_it() -> None:
    """Every kept answer has a tag that some write ends, and is kept for its session alone."""
    cache = specs()["CachePolicy"]
    ended = {tag for invalidation in cache.invalidations for tag in invalidation.tags}
    for rule in cache.rules:
        assert set(rule.tags) & ended, rule.name
        assert (rule.partition.type, rule.partition.headers) == ("Header", ("X-Session-Id",)), rule.name


def test_the_load_test_checks_who_asked_and_what_was_asked() -> None:
    """Each of its steps; and a plan can be made of it, both sides of which have repeats enough to show a difference."""
    test = specs()["LoadTest"]
    assert isinstance(test, LoadTestSpec)
    for step in (step for scenario in test.scenarios for step in scenario.steps):
        assert any("${session}" in text and '"session"' in text for text in step.expect.contains), step.name
        asked = re.findall(r"\$\{(\w+)\}|(limit=\d+)", step.http.path)
        for named in (f"${{{name}}}" if name else text for name, text in asked):
            assert any(named in text for text in step.expect.contains), (step.name, named)
    plan = build_plan("memory", "default", test, Routes(direct=Route(url="http://a:1"), layers=Route(url="http://b:1")), 1)
    assert few(plan) == ""
    assert plan.duration_ms < 90_000


@pytest.mark.parametrize(("path", "document"), LOADTESTS, ids=[document["metadata"]["name"] for _, document in LOADTESTS])
def test_a_load_test_of_its_own_is_valid_and_enforced(path: Path, document: dict[str, Any]) -> None:
    """As the API server would say; each looks at the one pool of the samples, and bounds its errors or its wrong answers."""
    assert validate(document) == ()
    assert validate(but(document, lambda d: d["spec"]["stages"][0].update({"user": 1}))) != ()
    assert document["spec"]["target"] == {"poolRef": {"name": "memory"}, "workload": "agent"}
    assert {bound["metric"] for bound in document["spec"]["thresholds"]} & {"errors.percent", "wrong.count"}


@pytest.mark.parametrize(("path", "document"), LOADTESTS, ids=[document["metadata"]["name"] for _, document in LOADTESTS])
async def test_a_load_test_of_its_own_asks_for_what_the_memory_server_has(path: Path, document: dict[str, Any], tmp_path: Path) -> None:
    """Each path with its method; and whatever a step fills in is built in, a list's, or what an earlier step has taken."""
    database = Database(tmp_path / "memory.db")
    served = {(route.method, route.resource.canonical) for route in application(database).router.routes() if route.resource}
    await database.close()
    data = {one["name"] for one in document["spec"].get("data", ())}
    for scenario in document["spec"]["scenarios"]:
        known = BUILT_IN | data
        for step in scenario["steps"]:
            http = step["http"]
            assert (http.get("method", "GET"), http["path"].partition("?")[0]) in served, step["name"]
            used = set(re.findall(r"\$\{([^}]*)\}", str(step)))
            assert used <= known, (scenario["name"], step["name"])
            known |= {taken["name"] for taken in step.get("extract", ())}


def load_test(name: str) -> LoadTestSpec:
    """The load test in a file of that name."""
    (test,) = load_paths([SAMPLES / "loadtests" / f"{name}.yaml"]).resources
    assert isinstance(test.spec, LoadTestSpec)
    return test.spec


@pytest.mark.parametrize("name", ["levels", "degradation", "isolation", "memory", "workflows", "mixed"])
def test_a_plan_can_be_made_of_it(name: str) -> None:
    """Through the layers, with the memory read past them; runners are enough for its users."""
    spec = load_test(name)
    plan = build_plan(name, "default", spec, Routes(direct=Route(url="http://a:1"), layers=Route(url="http://b:1")), 1)
    assert plan.candidate == "Layers"
    assert max(stage.users for stage in plan.stages) <= spec.runners.count * spec.runners.max_users_per_runner


def test_the_levels_are_those_that_were_promised() -> None:
    """Ten to five thousand users, 99.9 % of the answers right at each, and the p95 of each."""
    spec = load_test("levels")
    assert [stage.users for stage in spec.stages] == [10, 100, 1000, 5000]
    bounds = {(bound.metric, bound.stage): str(bound.max) for bound in spec.thresholds}
    for stage, p95 in (("c10", "95ms"), ("c100", "280ms"), ("c1000", "950ms"), ("c5000", "4200ms")):
        assert bounds["errors.percent", stage] == "0.1"
        assert bounds["latency.p95", stage] == p95


def test_the_checks_of_the_samples_are_those_that_were_promised() -> None:
    """Fifty sessions, a mebibyte in five seconds, half as much again from a hundred users to the next."""
    isolation, memory, degradation = (load_test(name).checks for name in ("isolation", "memory", "degradation"))
    assert isolation.isolation is not None
    assert isolation.isolation.sessions == 50
    assert memory.memory_growth is not None
    assert (memory.memory_growth.max, memory.memory_growth.per) == ("1Mi", "5s")
    assert degradation.degradation is not None
    assert degradation.degradation.max_increase_percent == 50
    assert [stage.users for stage in load_test("degradation").stages] == [100, 200, 300, 400, 500]


def test_workloads_of_the_cluster_are_hardened_and_fit_together() -> None:
    """The rules of our own manifests hold; an agent that serves nothing needs no probe."""
    for document in CLUSTER:
        problems = [p for p in pod_problems(document) if not (p.startswith("agent/") and p.endswith("Probe"))]
        assert problems == []
    assert selector_problems(CLUSTER) == []
    broken = but(deployment("agent"), lambda d: d["spec"]["template"]["spec"]["containers"][0].pop("securityContext"))
    assert pod_problems(broken) != []


def test_the_agent_gets_a_sidecar_for_the_pool_and_is_otherwise_unchanged() -> None:
    """Its label is a workload of the pool, its annotation the pool's upstream, its command one that it understands."""
    pool = specs()["ConnectionPool"]
    template = pod_of("agent")
    assert template["metadata"]["labels"]["slipstream.dev/workload"] in pool.workloads
    assert template["metadata"]["annotations"]["slipstream.dev/upstreams"] == f"{pool.upstream.host}:{pool.upstream.port}"
    (service,) = [d for d in CLUSTER if d["kind"] == "Service"]
    assert (service["metadata"]["name"], service["spec"]["ports"][0]["port"]) == (pool.upstream.host, pool.upstream.port)
    command = template["spec"]["containers"][0]["command"]
    assert command[:3] == ["python", "-m", "memory_server.agent"]
    assert arguments(command[3:]).url == f"http://{pool.upstream.host}:{pool.upstream.port}"
    injection = inject({"metadata": template["metadata"], "spec": template["spec"]}, "default", (), SETTINGS)
    assert (injection.outcome, injection.warnings) == (INJECTED, ())


def test_the_image_is_the_one_that_make_images_builds() -> None:
    """By its tag."""
    images = {c["image"] for d in CLUSTER if d["kind"] == "Deployment" for c in d["spec"]["template"]["spec"]["containers"]}
    assert images == {"slipstream-memory-server:dev"}
    assert "memory-server" in (SAMPLES.parents[1] / "e2e" / "cluster" / "images").read_text()


def proven_seconds(document: dict[str, Any], scenario: str) -> float:
    """The p95 of an iteration that a bound on the scenario's steps proves: those with a slow step are few, the others are quick. Infinite
    where the bound proves none."""
    steps = next(len(s["steps"]) for s in document["spec"]["scenarios"] if s["name"] == scenario)
    slow = {"latency.p99": 1, "latency.p95": 5}  # percent of the steps that may be slower
    bounds = [t for t in document["spec"]["thresholds"] if t.get("scenario") == scenario and "step" not in t and t["metric"] in slow]
    return min((steps * parse_duration(t["max"]) / 1000 for t in bounds if steps * slow[t["metric"]] <= 5), default=float("inf"))


def test_the_workflow_sample_proves_what_it_says_of_whole_workflows() -> None:
    """p95 of each below 1.2 s, though only steps are measured; the same bounds on their p95s would prove nothing."""
    (document,) = [d for path, d in LOADTESTS if path.stem == "workflows"]
    names = [scenario["name"] for scenario in document["spec"]["scenarios"]]
    assert len(names) == 4
    assert [name for name in names if proven_seconds(document, name) > 1.2] == []
    weaker = but(document, lambda d: [t.update(metric="latency.p95") for t in d["spec"]["thresholds"] if "scenario" in t])
    assert [name for name in names if proven_seconds(weaker, name) > 1.2] == names
