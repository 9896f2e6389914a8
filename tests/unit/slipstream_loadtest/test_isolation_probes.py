"""What a probe asks and finds: marks that are only what they are, questions as the plan has them, and checks that couldn't work refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstream_loadtest.plan.build import PlanRefused
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.probing.asks import asks_of, render, values_of
from slipstream_loadtest.probing.gauge import gauge
from slipstream_loadtest.probing.marks import Canaries, SessionNames
from tests.fakes.loadtest_plans import a_plan

WRITE = {"method": "POST", "path": "/w", "headers": {"X-Session-Id": "${session}"}, "body": '{"text": "${canary}"}'}
READ = {"path": "/r", "headers": {"X-Session-Id": "${session}"}}


def probing_plan(scenarios: list[dict[str, Any]] | None = None, **asked: Any) -> Plan:
    more: dict[str, Any] = {"scenarios": scenarios} if scenarios else {}
    return a_plan(checks={"isolation": {"sessions": 4} | asked}, data=[{"name": "word", "values": ["a b", "c"]}], **more)


def asked(plan: Plan, *, session: int = 1, round_: int = 0) -> list[tuple[str, str, bytes]]:
    assert plan.checks.isolation is not None
    values = values_of(plan, session, f"s-{session}", "CANARY", round_)
    made = [render(ask.request, values) for ask in asks_of(plan, plan.checks.isolation)]
    return [(one.method, one.path, one.body) for one in made]


@given(st.integers(0, 999_999), st.integers(0, 999), st.binary(max_size=50), st.binary(max_size=50))
def test_a_canary_is_found_in_anything_and_is_its_own_sessions_alone(session: int, round_: int, before: bytes, after: bytes) -> None:
    """Own in its round, foreign for everybody else, and nothing to another run."""
    marks = Canaries("run")
    body = before + marks.of(session, round_).encode() + after
    assert marks.look(body, session, round_) == (True, None)
    assert marks.look(body, session, round_ + 1) == (False, None)
    assert marks.look(body, session + 1, round_) == (False, session)
    assert Canaries("another").look(body, session, round_) == (False, None)


def test_both_ones_own_and_a_foreign_canary_are_seen_in_one_answer() -> None:
    """A list that holds everybody's data is a crossing too."""
    marks = Canaries("run")
    both = f"[{marks.of(1, 0)}, {marks.of(2, 0)}]".encode()
    assert marks.look(both, 1, 0) == (True, 2)


def test_a_session_is_not_taken_for_one_whose_name_it_begins_with() -> None:
    """s-1 and s-12."""
    names = SessionNames("s12ab")
    assert names.look(b'{"session": "s12ab-12"}', 1, 0) == (False, 12)
    assert names.look(b'{"session": "s12ab-12"}', 12, 0) == (True, None)
    assert names.look(b'{"session": "t12ab-12"}', 1, 0) == (False, None)


def test_write_and_read_are_asked_in_this_order_and_the_read_twice() -> None:
    """The second read is the one that a cache could answer."""
    assert asked(probing_plan(write=WRITE, read=READ)) == [("POST", "/w", b'{"text": "CANARY"}'), *[("GET", "/r", b"")] * 2]


def test_without_write_and_read_the_scenarios_steps_are_asked() -> None:
    """Reads twice, writes once, all sessions the same row; what needs an earlier answer is left out."""
    steps = [
        {"name": "list", "http": {"path": "/list?q=${word}"}, "expect": {"contains": ["${session}"]}},
        {"name": "make", "http": {"method": "POST", "path": "/make", "body": "${session}"}, "expect": {"status": [201]}},
    ]
    plan = probing_plan([{"name": "s", "steps": steps}])
    assert asked(plan) == [("GET", "/list?q=a%20b", b"")] * 2 + [("POST", "/make", b"s-1")]
    assert asked(plan, round_=1)[0] == asked(plan, session=3, round_=1)[0] == ("GET", "/list?q=c", b"")
    assert plan.checks.isolation is not None
    assert [(ask.own, ask.status) for ask in asks_of(plan, plan.checks.isolation)] == [(True, (200,)), (True, (200,)), (False, (201,))]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"write": WRITE | {"body": "nothing"}, "read": READ}, "must leave ${canary}"),
        ({"write": WRITE, "read": READ | {"path": "/r?q=${canary}"}}, "only repeats the question"),
        ({"write": WRITE | {"path": "/${nobody}"}, "read": READ}, "${nobody} is unknown"),
    ],
    ids=["no-canary", "canary-in-question", "unknown-name"],
)
def test_a_check_that_could_not_work_is_refused(changes: dict[str, Any], message: str) -> None:
    """Before anything is sent, with the field."""
    with pytest.raises(PlanRefused) as refused:
        probing_plan(**changes)
    assert refused.value.path.startswith("spec.checks.isolation")
    assert message in refused.value.message


def test_probing_has_time_that_grows_with_its_probes() -> None:
    """None without the check; the run's end moves by it, its phases don't."""
    assert a_plan().longest_ms == a_plan().duration_ms
    few, many = probing_plan(), probing_plan(sessions=10_000, rounds=100)
    assert few.longest_ms == few.duration_ms + 10_000
    assert many.longest_ms == many.duration_ms + 10_000 * 100 * 3 * 5


METRICS = """# HELP process_resident_memory_bytes Resident memory size in bytes.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 1.5e+06
process_resident_memory_bytes_max 9e9
# TYPE heap_bytes gauge
heap_bytes{area="a b",note="x\\"} 5"} 10
heap_bytes{area="c"} 32 1700000000000
bad NaN
"""


@pytest.mark.parametrize(("metric", "value"), [("process_resident_memory_bytes", 1_500_000), ("heap_bytes", 42)])
def test_a_gauge_is_the_sum_of_its_samples(metric: str, value: int) -> None:
    """And of no other metric whose name begins alike."""
    assert gauge(METRICS, metric) == value


@pytest.mark.parametrize("metric", ["heap", "nothing", "bad"])
def test_a_gauge_that_is_not_there_or_no_number_is_said(metric: str) -> None:
    """Instead of a zero that would look like no growth."""
    with pytest.raises(ValueError, match=metric):
        gauge(METRICS, metric)
