"""What a LoadTest does next, as a function of what is known; each test is one row of the state machine or one way to lose a step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slipstream_api.conditions import Reason
from slipstream_operator.loadtests.asking.runkey import run_key
from slipstream_operator.loadtests.deciding import actions as d
from slipstream_operator.loadtests.deciding.decide import decide
from slipstream_operator.loadtests.facts import Facts, JobFacts, LoadTestFacts, Problem, RunnerFacts

SPEC: dict[str, Any] = {"stages": [{"name": "c10", "users": 10, "duration": "5s"}]}
NOW = 1_000.0


def load_test(spec: dict[str, Any] | None = None, **status: Any) -> LoadTestFacts:
    return LoadTestFacts("default", "recall", "uid-1", 1, spec or SPEC, status)


def in_progress(**changes: Any) -> Facts:
    """A run that was written down, with plan and Job, two runners that are not ready yet."""
    facts = Facts(
        test=load_test(run=1, runKey=run_key(SPEC)),
        job=JobFacts("slipstream-lt-recall-1", "job-1"),
        plan_stored=True,
        wanted=2,
        duration=10.0,
        begun_at=NOW - 5,
        runners=(runner(0), runner(1)),
    )
    return replace(facts, **changes)


def runner(index: int, **changes: Any) -> RunnerFacts:
    return replace(RunnerFacts(index, f"recall-{index}", f"pod-{index}", "10.0.0.1", "Running", phase="Preparing"), **changes)


def names(decision: d.Decision) -> list[str]:
    return [type(action).__name__ for action in decision.actions]


def test_writes_the_run_down_before_anything_exists() -> None:
    """The number and the key come first, alone: a restart after them goes on with the same run."""
    decision = decide(Facts(load_test()), NOW)
    assert decision.actions == (d.BeginRun(1, run_key(SPEC)),)


def test_makes_plan_and_job_once_the_run_is_written_down() -> None:
    """With the key in the status, the objects follow."""
    assert names(decide(Facts(load_test(run=1, runKey=run_key(SPEC))), NOW)) == ["StorePlan", "CreateJob"]


def test_does_nothing_when_the_key_is_that_of_the_last_run() -> None:
    """A re-sync or a restart after a finished run starts nothing."""
    facts = Facts(load_test(run=1, runKey=run_key(SPEC), completionTime="2026-01-01T00:00:00Z"))
    assert decide(facts, NOW).actions == ()


@pytest.mark.parametrize(
    "change", [{"rerun": "again"}, {"stages": [{"name": "c20", "users": 20, "duration": "5s"}]}], ids=["rerun", "spec"]
)
def test_runs_again_when_the_key_changes(change: dict[str, Any]) -> None:
    """`rerun` and whatever is measured make run 2."""
    facts = Facts(load_test(SPEC | change, run=1, runKey=run_key(SPEC), completionTime="2026-01-01T00:00:00Z"))
    why = "Rerun" if "rerun" in change else "SpecChanged"
    assert decide(facts, NOW).actions == (d.BeginRun(2, run_key(SPEC | change), why),)


@pytest.mark.parametrize("field", ["suspend", "history", "ttlAfterFinished", "schedule", "triggers", "queue", "activeDeadline"])
def test_what_only_steers_runs_starts_none(field: str) -> None:
    """Suspending and taking it back, or keeping more history, is no reason to measure again."""
    assert run_key(SPEC | {field: "anything"}) == run_key(SPEC)


def test_a_suspended_test_begins_no_run() -> None:
    """suspend: true before the first run: nothing happens, and the message says what to change."""
    decision = decide(Facts(load_test(SPEC | {"suspend": True})), NOW)
    assert decision.actions == ()
    assert "spec.suspend" in decision.message


def test_a_problem_blocks_a_new_run_and_is_told() -> None:
    """A missing pool is reported instead of started."""
    problem = Problem("ResolvedRefs", "TargetNotFound", "ConnectionPool memory isn't there")
    decision = decide(Facts(load_test(), problem=problem), NOW)
    assert (decision.actions, decision.problem) == ((), problem)


def test_a_problem_that_comes_during_a_run_does_not_stop_it() -> None:
    """The run goes on with its frozen plan."""
    problem = Problem("ResolvedRefs", "TargetNotFound", "gone")
    assert decide(in_progress(problem=problem), NOW).stage == "Starting"


def test_waits_for_all_runners_and_says_for_whom() -> None:
    """One of two ready: no start yet."""
    runners = (runner(0, phase="Ready"), runner(1, phase=None, trouble="ImagePullBackOff"))
    decision = decide(in_progress(runners=runners), NOW)
    assert decision.actions == ()
    assert decision.message == "1 of 2 runners are ready (ImagePullBackOff)"


def test_starts_all_runners_at_one_instant_ahead() -> None:
    """The common start lies ahead, so that every runner has heard of it."""
    ready = (runner(0, phase="Ready"), runner(1, phase="Ready"))
    assert decide(in_progress(runners=ready), NOW).actions == (d.Start(ready, NOW + 2.0),)


def test_a_restart_between_two_start_commands_repeats_the_same_instant() -> None:
    """Runner 0 has been told 1002.0 by a process that died: runner 1 gets that instant, not a new one."""
    runners = (runner(0, phase="Ready", start_at=1_002.0), runner(1, phase="Ready"))
    assert decide(in_progress(runners=runners, started_at=1_002.0), NOW).actions == (d.Start((runners[1],), 1_002.0),)


def test_gives_up_when_runners_do_not_get_ready_in_time() -> None:
    """No stage without a bound; the reason is in the message."""
    decision = decide(in_progress(begun_at=NOW - 181, runners=(runner(0, phase=None, trouble="Unschedulable"),)), NOW)
    message = "0 of 2 runners are ready (Unschedulable) after 180s"
    assert decision.actions == (d.Conclude("RunnersNotReady", message, Reason.UNSCHEDULABLE),)


def test_collects_parts_as_runners_end_and_concludes_with_the_last() -> None:
    """One done, one running: collect the one; both collected: conclude."""
    running = in_progress(started_at=NOW - 8, runners=(runner(0, phase="Done", start_at=992.0), runner(1, phase="Running", start_at=992.0)))
    assert decide(running, NOW).actions == (d.Collect((running.runners[0],)),)
    assert decide(replace(running, parts=frozenset({0, 1})), NOW).actions == (d.Conclude(),)


def test_a_killed_runner_is_looked_up_in_its_logs_and_then_lost() -> None:
    """A pod that ended is collected from (its logs may have the part); one without a part makes the run's cause RunnerLost."""
    killed = runner(1, pod_phase="Failed", phase=None, trouble="OOMKilled")
    facts = in_progress(started_at=NOW - 8, runners=(runner(0, phase="Running", start_at=992.0), killed))
    assert decide(facts, NOW).actions == (d.Collect((killed,)),)
    lost = decide(replace(facts, parts=frozenset({0}), lost=frozenset({1})), NOW)
    assert lost.actions == (d.Conclude("RunnerLost", "1 of 2 runners lost: runner 1 (OOMKilled)"),)


def test_a_run_without_parts_ends_at_its_deadline() -> None:
    """A runner that neither ends nor answers doesn't hold the test for ever."""
    facts = in_progress(started_at=NOW - 41, runners=(runner(0, phase=None), runner(1, phase=None)))
    assert decide(facts, NOW).actions == (d.Conclude("DeadlineExceeded", "no part from runner 0, 1 30s after the last stage"),)


def test_suspending_a_run_aborts_the_runners_and_keeps_their_parts() -> None:
    """Command first, parts next, the end last."""
    test = load_test(SPEC | {"suspend": True}, run=1, runKey=run_key(SPEC))
    running = in_progress(
        test=test, started_at=NOW - 3, abort_asked_at=NOW, runners=(runner(0, phase="Running"), runner(1, phase="Aborted"))
    )
    assert decide(running, NOW).actions == (
        d.Abort((running.runners[0],), "spec.suspend was set to true"),
        d.Collect((running.runners[1],)),
    )
    both = decide(replace(running, parts=frozenset({0, 1})), NOW)
    assert both.actions == (d.Conclude("Aborted", "spec.suspend was set to true; 2 of 2 parts"),)


def test_an_abort_before_the_start_removes_the_job() -> None:
    """Nothing was measured, so nothing is waited for."""
    test = load_test(SPEC | {"suspend": True}, run=1, runKey=run_key(SPEC))
    assert names(decide(in_progress(test=test), NOW)) == ["Conclude", "RemoveJob"]


def test_a_broken_bound_ends_the_run_and_leaves_the_judgement_to_the_verdict() -> None:
    """The runners hear the bound's own words, which their parts give back; the run's end has no cause of the operator's."""
    broken = "threshold p95: latency.p95 is 900ms, at most 50ms"
    facts = in_progress(started_at=NOW - 3, broken=broken, runners=(runner(0, phase="Running"), runner(1, phase="Running")))
    decision = decide(facts, NOW)
    assert decision.actions == (d.Abort(facts.runners, broken),)
    assert decision.abort == broken
    ended = replace(facts, broken="", abort_because=broken, abort_asked_at=NOW, parts=frozenset({0, 1}))
    assert decide(ended, NOW + 1).actions == (d.Conclude(),)


def test_an_abort_is_not_taken_back() -> None:
    """suspend: false while runners are draining doesn't turn the run into a normal one."""
    facts = in_progress(started_at=NOW - 3, abort_asked_at=NOW - 1, runners=(runner(0, phase="Running"), runner(1, phase="Running")))
    assert names(decide(facts, NOW)) == ["Abort"]


def test_a_stored_result_is_concluded_again_after_a_restart() -> None:
    """The process died between storing the result and writing the status."""
    assert decide(in_progress(started_at=NOW - 20, result_stored=True), NOW).actions == (d.Conclude(),)


def test_runners_are_acknowledged_only_after_the_status_has_the_result() -> None:
    """Parts stay with the runners until they are safe."""
    test = load_test(run=1, runKey=run_key(SPEC), completionTime="2026-01-01T00:00:00Z")
    done = (runner(0, phase="Done"), runner(1, phase="Done"))
    assert decide(in_progress(test=test, runners=done, started_at=NOW - 12), NOW).actions == (d.Acknowledge(done),)


def test_the_job_expires_counted_from_when_its_result_was_stored() -> None:
    """ttlAfterFinished 60s, the Job finished 10 s ago: its own TTL is 70 s, set once."""
    test = load_test(run=1, runKey=run_key(SPEC), completionTime="2026-01-01T00:00:00Z")
    ended = tuple(runner(i, pod_phase="Succeeded", phase=None) for i in (0, 1))
    facts = in_progress(test=test, runners=ended, job=JobFacts("j", "u", finished_at=NOW - 10), ttl_after_finished=60.0)
    assert decide(facts, NOW).actions == (d.ExpireJob(70),)
    assert decide(replace(facts, job=JobFacts("j", "u", NOW - 10, ttl_seconds=70)), NOW).actions == ()
