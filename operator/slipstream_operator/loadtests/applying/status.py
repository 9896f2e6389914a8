"""A LoadTest's status: conditions and columns out of what was decided and judged. Pure; times come in as RFC 3339."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from slipstream_api.conditions import Reason, Type
from slipstream_loadtest.judged.verdict import Reason as VerdictReason
from slipstream_loadtest.judged.verdict import Verdict
from slipstream_operator.loadtests.applying.conditions import (
    in_progress,
    last_outcome,
    of_test,
    outcome_of,
    queued,
    spec_conditions,
    summary_of,
    thresholds_met,
    with_conditions,
    words,
)
from slipstream_operator.loadtests.deciding.actions import BeginRun, Decision
from slipstream_operator.loadtests.facts import LoadTestFacts
from slipstream_operator.loadtests.gathering.policies import MAX_POLICIES

RUN_FIELDS: Final = (
    "summary",
    "reasons",
    "stages",
    "thresholds",
    "checks",
    "comparison",
    "resultRef",
    "startTime",
    "completionTime",
    "planHash",
)
LIVE_FIELDS: Final = ("progress", "sidecars")
KEPT_FIELDS: Final = (*RUN_FIELDS, *LIVE_FIELDS)
MAX_REASONS: Final = 16
Status = dict[str, Any]


def begun(test: LoadTestFacts, begin: BeginRun, wanted: int, policies: Sequence[Mapping[str, Any]], queue: str, now: str) -> Status:
    """The patch that writes a run down: everything of the last one goes, but for its record in the history."""
    message = f"run {begin.run} has been written down ({begin.why})"
    return {
        "run": begin.run,
        "runKey": begin.key,
        "trigger": begin.why,
        "queue": queue,
        "queuedAt": None,
        "nextScheduleTime": begin.promise,
        **({"lastScheduleTime": begin.tick} if begin.tick else {}),
        "beginTime": now,
        "runners": {"desired": wanted, "ready": 0, "succeeded": 0, "failed": 0, "summary": f"0/{wanted}"},
        "policies": list(policies)[:MAX_POLICIES],
        **dict.fromkeys(KEPT_FIELDS),
        **with_conditions(test, in_progress(test, Reason.STARTING, message, False), now),
    }


def going_on(test: LoadTestFacts, decision: Decision, ready: int, wanted: int, start: str, now: str) -> Status:
    """The patch while a run is in progress."""
    started = decision.stage in ("Running", "Concluding") and bool(start or test.status.get("startTime"))
    message = decision.message or ("measuring" if started else "waiting for the runners")
    conditions = in_progress(test, Reason.RUNNING if started else Reason.STARTING, message, started, decision.unready)
    patch: Status = {"runners": {"ready": wanted if started else ready, "summary": f"{wanted if started else ready}/{wanted}"}}
    if start:
        patch["startTime"] = start
    return patch | with_conditions(test, conditions, now)


def resting(test: LoadTestFacts, decision: Decision, now: str) -> Status:
    """The patch between runs: what the spec says now, and what the last run said."""
    if decision.stage == "Queued":
        return with_conditions(test, queued(test, decision.message), now)
    last = last_outcome(test)
    if not test.run:
        last = [of_test(test, Type.SUCCEEDED, "Unknown", Reason.PENDING, decision.message or "no run yet")]
        if decision.problem is not None:
            last = [of_test(test, Type.SUCCEEDED, "False", Reason.INVALID, decision.problem.message)]
    else:
        last = [{**c, "observedGeneration": test.generation} for c in last]
    return with_conditions(test, [*spec_conditions(test, decision.problem), *last, *summary_of(test, last, decision.problem)], now)


def concluded(
    test: LoadTestFacts,
    verdict: Verdict,
    figures: Mapping[str, Any],
    result: str,
    plan_hash: str,
    now: str,
    unready: Reason = Reason.SCHEDULING,
) -> Status:
    """The patch that ends a run. `figures`: slipstream_loadtest.report.status.as_status; `result`: name of its ConfigMap, empty where
    there is none; `unready`: why it never started, if it didn't."""
    reason, message, codes = outcome_of(verdict), words(verdict), list(dict.fromkeys(r.code for r in verdict.reasons))
    ready = of_test(test, Type.RUNNERS_READY, "True", Reason.READY, "they were")
    if not test.status.get("startTime"):
        ready = of_test(test, Type.RUNNERS_READY, "False", unready, message)
    last = [
        ready,
        of_test(test, Type.SUCCEEDED, "True" if reason == Reason.PASSED else "False", reason, message),
        of_test(test, Type.THRESHOLDS_MET, *thresholds_met(verdict)),
    ]
    record: dict[str, Any] = {"run": test.run, "reason": str(reason), "completionTime": now}
    record |= {"result": result} if result else {}
    record |= {"code": codes[0]} if verdict.result == "Inconclusive" else {}
    record |= {"trigger": test.status["trigger"]} if test.status.get("trigger") else {}
    summary = figures.get("summary", {})
    record |= {field: summary[field] for field in ("rps", "p95", "errors") if field in summary}
    return {
        **dict.fromkeys(KEPT_FIELDS),
        "startTime": test.status.get("startTime"),
        **figures,
        "reasons": codes[:MAX_REASONS],
        "planHash": plan_hash[:64],
        "completionTime": now,
        "resultRef": {"kind": "ConfigMap", "name": result} if result else None,
        "history": history(test, record),
        **with_conditions(test, [*spec_conditions(test, None), *last, *summary_of(test, last, None)], now),
    }


def history(test: LoadTestFacts, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The records that are kept, newest first: so many that passed, so many others. A record of the same run is replaced."""
    limits = {"passed": 3, "failed": 5} | dict(test.spec.get("history") or {})
    kept: list[dict[str, Any]] = []
    count = {"passed": 0, "failed": 0}
    earlier = [r for r in test.status.get("history") or () if r["run"] != record["run"]]
    for one in (record, *earlier):
        sort = "passed" if one["reason"] == Reason.PASSED else "failed"
        if count[sort] < limits[sort]:
            count[sort] += 1
            kept.append(dict(one))
    return kept


def differs(status: Mapping[str, Any], patch: Mapping[str, Any]) -> bool:
    """Whether a merge patch would change anything; a write that changes nothing isn't made."""
    for field, wanted in patch.items():
        have = status.get(field)
        if isinstance(wanted, Mapping) and isinstance(have, Mapping):
            if differs(have, wanted):
                return True
        elif have != wanted:
            return True
    return False


def never_planned(test: LoadTestFacts, message: str, now: str) -> Status:
    """The patch that ends a run of which there isn't even a plan."""
    verdict = Verdict(result="Inconclusive", reasons=(VerdictReason(code="NotStarted", message=message),))
    return {**concluded(test, verdict, {}, "", "", now), "planHash": None}
