"""Data and certificates of a LoadTest out of ConfigMaps: read by name, and ResolvedRefs is False with what to do when one isn't there."""

from __future__ import annotations

from typing import Any

from slipstream_loadtest.plan.build import Routes, build_plan
from slipstream_operator.kube.kinds import CONFIG_MAP, LOAD_TEST
from slipstream_operator.loadtests import plannable
from slipstream_operator.loadtests.client import RunnerClient
from slipstream_operator.loadtests.config_maps import resolved
from slipstream_operator.loadtests.facts import Problem
from slipstream_operator.loadtests.gathering.gather import Gathered, Gatherer, Memory
from slipstream_operator.loadtests.plannable import refusal
from slipstream_operator.loadtests.target import Measurable
from tests.fakes.fake_kube import FakeKube
from tests.fakes.loadtest_plans import URL, a_spec

USERS = {"name": "users", "configMap": {"name": "people", "key": "users.csv"}, "format": "CSV"}
STEP = {"name": "get", "http": {"path": "/${users.email}"}}


def config_map(data: dict[str, str], name: str = "people", namespace: str = "n") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


async def gathered(*config_maps: dict[str, Any], data: dict[str, Any] | None = None) -> Gathered:
    """A LoadTest on a URL that takes its users from a table, in a cluster with these ConfigMaps."""
    kube = FakeKube()
    spec = {
        "target": {"url": "http://m:1"},
        "stages": [{"name": "s", "users": 1, "duration": "1s"}],
        "scenarios": [{"name": "r", "steps": [STEP]}],
        "data": [data or USERS],
    }
    await kube.create(LOAD_TEST, {"metadata": {"name": "t", "namespace": "n"}, "spec": spec})
    for one in config_maps:
        await kube.create(CONFIG_MAP, one)
    found = await Gatherer(kube, RunnerClient(), "cluster.local", lambda namespace, pool: [], lambda: 0.0).gather("n", "t", Memory())
    assert found is not None
    return found


async def test_the_texts_reach_the_plan():
    """Every reference by (name, key); the plan has its rows."""
    found = await gathered(config_map({"users.csv": "email\na@x\n"}))
    assert found.facts.problem is None
    assert found.target is not None
    assert found.target.config_maps == {("people", "users.csv"): "email\na@x\n"}
    assert found.spec is not None
    plan = build_plan("t", "n", found.spec, found.target.routes, 1, config_maps=found.target.config_maps)
    assert plan.data[0].rows == (("a@x",),)


async def test_a_missing_config_map_is_an_unresolved_reference():
    """Also when there is one of that name in another namespace."""
    found = await gathered(config_map({"users.csv": "email\na@x\n"}, namespace="other"))
    problem = found.facts.problem
    assert problem is not None
    assert (problem.type, problem.reason) == ("ResolvedRefs", "ConfigMapNotFound")
    assert problem.message == "spec.data[users].configMap: there is no ConfigMap people: create it or correct the name"


async def test_a_missing_key_is_an_unresolved_reference():
    """With the keys that there are."""
    problem = (await gathered(config_map({"user.csv": "", "a": ""}))).facts.problem
    assert problem is not None
    assert (problem.type, problem.reason) == ("ResolvedRefs", "KeyNotFound")
    assert "has no key users.csv: there are a, user.csv" in problem.message


async def test_a_table_that_does_not_fit_its_templates_is_refused_before_a_run():
    """The reference leads somewhere, and what is there can't be used: Accepted is False, with the field."""
    problem = (await gathered(config_map({"users.csv": "mail\na@x\n"}))).facts.problem
    assert problem is not None
    assert problem.type == "Accepted"
    assert problem.message.startswith("spec.scenarios[r].steps[get].http.path: ${users.email} is unknown")


async def test_each_config_map_is_read_once_and_none_without_a_reference():
    """Two keys of one, and a spec that refers to nothing."""
    read: list[str] = []

    async def reading(name: str) -> dict[str, Any]:
        read.append(name)
        return config_map({"a": "1", "b": "2"})

    two = [{"name": key, "configMap": {"name": "people", "key": key}} for key in ("a", "b")]
    found = await resolved(a_spec(data=two), Measurable(URL), reading)
    assert isinstance(found, Measurable)
    assert found.config_maps == {("people", "a"): "1", ("people", "b"): "2"}
    assert read == ["people"]
    assert await resolved(a_spec(), Measurable(Routes()), reading) == Measurable(Routes())
    problem = Problem("ResolvedRefs", "TargetNotFound", "no pool")
    assert await resolved(a_spec(data=two), problem, reading) is problem
    assert read == ["people"]


async def test_a_plan_is_tried_once_and_again_when_its_data_changes():
    """A look a second costs no plan a second; another text in the ConfigMap is another answer."""
    spec = a_spec(scenarios=[{"name": "r", "steps": [STEP]}], data=[USERS])
    good, bad = (Measurable(URL, config_maps={("people", "users.csv"): text}) for text in ("email\na\n", "mail\na\n"))
    plannable._refusal.cache_clear()
    assert [refusal("t", "n", spec, target) != "" for target in (good, good, bad, good)] == [False, False, True, False]
    assert plannable._refusal.cache_info().misses == 2
