"""Which row a call takes: drawn, in turn, or its user's own; the same for any number of runners."""

from collections import Counter
from typing import Any

import pytest

from slipstream_loadtest.engine.engine import run
from slipstream_loadtest.http.request import compile_scenarios
from slipstream_loadtest.plan.draws import draw, stream
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.rows import turn_of, with_turn
from tests.fakes.loadtest_plans import a_plan
from tests.fakes.scripted_driver import LoopClock, ScriptedDriver, takes

STEP = {"name": "get", "http": {"path": "/${row}"}}
PEOPLE = "name,email\n" + "".join(f"n{at},e{at}\n" for at in range(50))


def planned(mode: str, rows: int = 10, **members: Any) -> Plan:
    data = [{"name": "row", "values": [f"r{at}" for at in range(rows)], "mode": mode}]
    return a_plan(**({"scenarios": [{"name": "read", "steps": [STEP]}], "data": data} | members))


def asked(plan: Plan, driver: ScriptedDriver) -> list[tuple[int, str]]:
    """(user, path) of every call, rendered as the HTTP driver does."""
    ((step,),) = compile_scenarios(plan.scenarios, plan.data, "target")
    found = []
    for call in driver.calls:
        bound = step.bind(call.user, f"s-{call.user}")
        found.append((call.user, bound.render(call.iteration, call.drawn).split(b" ", 2)[1].decode()))
    return found


async def ran(plan: Plan) -> list[tuple[int, str]]:
    """What all runners ask together."""
    found = []
    for index in range(plan.runners):
        driver = ScriptedDriver(takes(0.1))
        await run(plan, index, LoopClock(), {"Direct": driver})
        found += asked(plan, driver)
    return found


OPEN = [
    {"name": "o", "ratePerSecond": 13, "duration": "3s", "ramp": "1s"},
    {"name": "p", "ratePerSecond": 7, "duration": "2s", "ramp": "1s"},
]


@pytest.mark.looptime
@pytest.mark.parametrize("runners", [1, 3])
async def test_rows_of_arrivals_come_in_turn_over_all_runners(runners: int):
    """One after another, through ramps and stages: after N arrivals every row has come ⌊N / rows⌋ or ⌈N / rows⌉ times."""
    found = Counter(path for _, path in await ran(planned("Sequential", stages=OPEN, runners={"count": runners})))
    assert set(found) == {f"/r{at}" for at in range(10)}
    assert max(found.values()) - min(found.values()) <= 1
    assert sum(found.values()) == sum(Counter(p for _, p in await ran(planned("Sequential", stages=OPEN))).values())


@pytest.mark.looptime
async def test_enough_rows_for_every_arrival_are_taken_once_each():
    """What onExhausted Fail promises, and the plan has checked: nobody gets another's row."""
    plan = planned("Sequential", stages=OPEN, runners={"count": 3}, rows=1000)
    found = [path for _, path in await ran(plan)]
    assert len(found) == len(set(found))
    assert set(found) == {f"/r{at}" for at in range(len(found))}


@pytest.mark.looptime
@pytest.mark.parametrize("runners", [1, 3])
async def test_rows_of_closed_users_come_in_turn_over_all_users(runners: int):
    """4 users that keep step: round after round the next four rows, whoever runs them."""
    stages = [{"name": "s", "users": 4, "duration": "500ms"}]
    found = await ran(planned("Sequential", rows=100, stages=stages, runners={"count": runners}))
    assert sorted(found) == sorted((user, f"/r{turn * 4 + user}") for turn in range(5) for user in range(4))


@pytest.mark.looptime
@pytest.mark.parametrize("stage", [{"users": 20}, {"ratePerSecond": 100, "maxInFlight": 20}], ids=["closed", "open"])
async def test_a_users_own_row_is_nobody_elses(stage: dict[str, int]):
    """By its number, in every iteration, on every runner."""
    plan = planned("UniquePerUser", rows=20, stages=[{"name": "s", "duration": "1s"} | stage], runners={"count": 3})
    found = await ran(plan)
    assert len(found) > 50
    assert {path == f"/r{user}" for user, path in found} == {True}


@pytest.mark.looptime
async def test_rows_begin_again_where_they_may():
    """More users than rows, and Wrap: user 7 has the row of user 2."""
    plan = planned("UniquePerUser", rows=5, stages=[{"name": "s", "users": 8, "duration": "1s"}])
    assert {path == f"/r{user % 5}" for user, path in await ran(plan)} == {True}


@pytest.mark.looptime
async def test_drawn_rows_are_drawn_with_the_seed():
    """The default: another seed asks for other rows, the same seed for the same, whatever the number of runners."""
    stages = [{"name": "s", "users": 6, "duration": "2s"}]
    one = sorted(await ran(planned("Random", stages=stages)))
    assert sorted(await ran(planned("Random", stages=stages, runners={"count": 3}))) == one
    assert sorted(await ran(planned("Random", stages=stages, seed=8))) != one
    assert len({path for _, path in one}) == 10


@pytest.mark.looptime
async def test_columns_of_a_row_belong_together():
    """A name never comes with another row's address, in any mode."""
    step = {"name": "get", "http": {"path": "/${users.name}/${users.email}"}}
    for mode in ("Random", "Sequential", "UniquePerUser"):
        data = [{"name": "users", "configMap": {"name": "people", "key": "csv"}, "format": "CSV", "mode": mode}]
        plan = a_plan(
            scenarios=[{"name": "read", "steps": [step]}],
            data=data,
            config_maps={("people", "csv"): PEOPLE},
            stages=[{"name": "s", "users": 30, "duration": "1s"}],
        )
        found = [path[1:].split("/") for _, path in await ran(plan)]
        assert {name[1:] == email[1:] for name, email in found} == {True}
        assert len({name for name, _ in found}) >= 30


def test_turns_leave_draws_as_they_are():
    """Lists in turn and drawn ones don't disturb each other: one number carries both."""
    drawn = draw(stream(7), 3)
    both = with_turn(drawn, 12345)
    assert turn_of(both) == 12345
    plan = planned("Random")
    ((step,),) = compile_scenarios(plan.scenarios, plan.data, "target")
    bound = step.bind(0, "s")
    assert bound.render(1, both) == bound.render(1, drawn)
