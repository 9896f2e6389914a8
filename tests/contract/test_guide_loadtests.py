"""The load tests of the guide can be planned as they stand, with the data that stands beside them, and do what the text says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slipstream_api.load import to_resource
from slipstream_api.models import LoadTestSpec
from slipstream_api.yamlread import read_documents
from slipstream_loadtest.plan.build import PlanRefused, Route, Routes, build_plan
from slipstream_loadtest.plan.feeders import lists
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.requests import check_templates, scenarios
from slipstream_loadtest.plan.rows import columns

GUIDE = (Path(__file__).parents[2] / "docs" / "guide" / "loadtests.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
DOCUMENTS = [document.value for block in BLOCKS for document in read_documents(block)]
TESTS = {value["metadata"]["name"]: value for value in DOCUMENTS if value["kind"] == "LoadTest"}
TEXTS = {(v["metadata"]["name"], key): text for v in DOCUMENTS if v["kind"] == "ConfigMap" for key, text in v["data"].items()}
WAY = Routes(direct=Route(url="http://127.0.0.1:1"))


def spec_of(name: str) -> LoadTestSpec:
    spec = to_resource(TESTS[name]).spec
    assert isinstance(spec, LoadTestSpec)
    return spec


def planned(name: str, texts: dict[tuple[str, str], str] = TEXTS) -> Plan:
    return build_plan(name, "default", spec_of(name), WAY, 1, config_maps=texts)


@pytest.mark.parametrize("name", ["levels", "tables"])
def test_a_load_test_of_the_guide_can_be_planned(name: str) -> None:
    """As it stands."""
    assert planned(name).phases


def test_templates_of_the_mixed_scenario_are_known() -> None:
    """What a step takes, the next one knows; and the control: without the extract it doesn't."""
    spec = spec_of("mixed")
    made, data = scenarios(spec), columns(lists(spec.data, {}))
    plan = planned("levels")
    check_templates(made, plan.checks, data)
    remember = spec.scenarios[1].model_copy(update={"steps": spec.scenarios[1].steps[1:]})
    without = scenarios(spec.model_copy(update={"scenarios": (remember,)}))
    with pytest.raises(PlanRefused, match=r"forget\].http.body: \$\{id\} is unknown"):
        check_templates(without, plan.checks, data)


def test_the_levels_go_on_from_each_other_as_the_text_says() -> None:
    """c10 stays while users join, c100 is drained, r500 begins at nothing."""
    phases = [(p.kind, p.stage) for p in planned("levels").phases]
    assert phases[:6] == [("WarmUp", "c10"), ("Ramp", "c10"), ("Settle", "c10"), ("Hold", "c10"), ("Ramp", "c100"), ("Settle", "c100")]
    assert phases[6:] == [("Hold", "c100"), ("Drain", "c100"), ("Ramp", "r500"), ("Hold", "r500"), ("Drain", "r500")]


def test_the_table_is_just_long_enough() -> None:
    """Three users, three rows; a row less is refused."""
    assert planned("tables").data[0].columns == ("email", "token")
    shorter = {key: text.replace("cee@example.com,t-3\n", "") for key, text in TEXTS.items()}
    with pytest.raises(PlanRefused, match="3 users need as many rows, there are 2"):
        planned("tables", shorter)
