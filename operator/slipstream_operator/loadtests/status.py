"""A LoadTest's status: conditions and columns out of what was decided and judged. Pure; times come in as RFC 3339."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from slipstream_api.conditions import Reason, Type, condition, set_conditions
from slipstream_loadtest.judged.verdict import Reason as VerdictReason
from slipstream_loadtest.judged.verdict import Verdict
from slipstream_operator.loadtests.decide import Decision
from slipstream_operator.loadtests.facts import LoadTestFacts, Problem

KEPT_FIELDS: Final = ("summary", "stages", "thresholds", "comparison", "resultRef", "startTime", "completionTime", "planHash", "progress")
Condition = dict[str, Any]
Status = dict[str, Any]


def begun(test: LoadTestFacts, run: int, key: str, wanted: int, policies: Sequence[Mapping[str, Any]], now: str) -> Status:
    """The patch that writes a run down: everything of the last one goes, but for its record in the history."""
    return {
        "run": run,
        "runKey": key,
        "beginTime": now,
        "runners": {"desired": wanted, "ready": 0, "succeeded": 0, "failed": 0, "summary": f"0/{wanted}"},
        "policies": list(policies),
        **dict.fromkeys(KEPT_FIELDS),
        **_with(test, _in_progress(test, Reason.STARTING, "the run has been written down", False), now),
    }


def going_on(test: LoadTestFacts, decision: Decision, ready: int, wanted: int, progress: str, start: str, now: str) -> Status:
    """The patch while a run is in progress."""
    started = decision.stage in ("Running", "Concluding") and bool(start or test.status.get("startTime"))
    message = decision.message or ("measuring" if started else "waiting for the runners")
    conditions = _in_progress(test, Reason.RUNNING if started else Reason.STARTING, message, started)
    patch: Status = {"runners": {"ready": wanted if started else ready, "summary": f"{wanted if started else ready}/{wanted}"}}
    if start:
        patch["startTime"] = start
    if progress:
        patch["progress"] = progress[:64]
    return patch | _with(test, conditions, now)


def resting(test: LoadTestFacts, decision: Decision, now: str) -> Status:
    """The patch between runs: what the spec says now, and what the last run said."""
    last = [dict(c) for c in test.status.get("conditions") or () if c["type"] in (Type.SUCCEEDED, Type.THRESHOLDS_MET, Type.RUNNERS_READY)]
    if not test.run:
        last = [_condition(test, Type.SUCCEEDED, "Unknown", Reason.PENDING, decision.message or "no run yet")]
        if decision.problem is not None:
            last = [_condition(test, Type.SUCCEEDED, "False", Reason.INVALID, decision.problem.message)]
    else:
        last = [{**c, "observedGeneration": test.generation} for c in last]
    return _with(test, [*_spec_conditions(test, decision.problem), *last, *_summary(test, last, decision.problem)], now)


def concluded(test: LoadTestFacts, verdict: Verdict, figures: Mapping[str, Any], result: str, plan_hash: str, now: str) -> Status:
    """The patch that ends a run. `figures`: slipstream_loadtest.report.status.as_status."""
    reason, met = _outcome(verdict)
    message = "; ".join(r.message for r in verdict.reasons)
    ready = _condition(test, Type.RUNNERS_READY, "True", Reason.READY, "they were")
    if any(r.code in ("RunnersNotReady", "NotStarted") for r in verdict.reasons):
        ready = _condition(test, Type.RUNNERS_READY, "False", Reason.SCHEDULING, message)
    last = [
        ready,
        _condition(test, Type.SUCCEEDED, "True" if reason == Reason.PASSED else "False", reason, message),
        _condition(test, Type.THRESHOLDS_MET, *met, message),
    ]
    record = {"run": test.run, "reason": str(reason), "completionTime": now, "result": result}
    summary = figures.get("summary", {})
    record |= {field: summary[field] for field in ("rps", "p95", "errors") if field in summary}
    return {
        **dict.fromkeys(KEPT_FIELDS),
        "startTime": test.status.get("startTime"),
        **figures,
        "planHash": plan_hash[:64],
        "completionTime": now,
        "resultRef": {"kind": "ConfigMap", "name": result},
        "history": history(test, record),
        **_with(test, [*_spec_conditions(test, None), *last, *_summary(test, last, None)], now),
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


def _outcome(verdict: Verdict) -> tuple[Reason, tuple[Any, Reason]]:
    if verdict.result == "Passed":
        return Reason.PASSED, ("True", Reason.ALL_PASSED)
    if verdict.result == "Failed":
        return Reason.THRESHOLDS_FAILED, ("False", Reason.FAILED)
    codes = {r.code for r in verdict.reasons}
    no_data = "NoData" in codes or any(row.result == "NoData" for row in verdict.thresholds)
    return (
        Reason.ABORTED if "Aborted" in codes else Reason.INCONCLUSIVE,
        ("Unknown", Reason.NO_DATA if no_data else Reason.INCONCLUSIVE),
    )


def _in_progress(test: LoadTestFacts, reason: Reason, message: str, started: bool) -> list[Condition]:
    ready = ("True", Reason.READY, "all of them") if started else ("False", Reason.SCHEDULING, message)
    return [
        *_spec_conditions(test, None),
        _condition(test, Type.RUNNERS_READY, *ready),
        _condition(test, Type.SUCCEEDED, "Unknown", reason, message),
        _condition(test, Type.THRESHOLDS_MET, "Unknown", Reason.PENDING, "the run isn't over"),
        _condition(test, Type.READY, "False", reason, message),
        _condition(test, Type.RECONCILING, "True", reason, message),
    ]


def _spec_conditions(test: LoadTestFacts, problem: Problem | None) -> list[Condition]:
    accepted = _condition(test, Type.ACCEPTED, "True", Reason.ACCEPTED, "it can be run")
    found = _condition(test, Type.RESOLVED_REFS, "True", Reason.RESOLVED_REFS, "the target is known")
    if problem is not None and problem.type == "Accepted":
        accepted = _condition(test, Type.ACCEPTED, "False", Reason(problem.reason), problem.message)
    elif problem is not None:
        found = _condition(test, Type.RESOLVED_REFS, "False", Reason(problem.reason), problem.message)
    suspended = [_condition(test, Type.SUSPENDED, "True", Reason.SUSPENDED, "spec.suspend is true")] if test.suspended else []
    return [accepted, found, *suspended]


def _summary(test: LoadTestFacts, last: Iterable[Mapping[str, Any]], problem: Problem | None) -> list[Condition]:
    """Ready, and Stalled where somebody has to do something."""
    if problem is not None:
        return [
            _condition(test, Type.READY, "False", Reason(problem.reason), problem.message),
            _condition(test, Type.STALLED, "True", Reason(problem.reason), problem.message),
        ]
    outcome = next((c for c in last if c["type"] == Type.SUCCEEDED), None)
    if outcome is None:
        return []
    reason, message = Reason(outcome["reason"]), str(outcome["message"])
    if reason == Reason.PASSED:
        return [_condition(test, Type.READY, "True", Reason.PASSED, message)]
    if reason == Reason.PENDING:
        return [_condition(test, Type.READY, "Unknown", Reason.PENDING, message)]
    stalled = [] if reason == Reason.ABORTED else [_condition(test, Type.STALLED, "True", reason, message)]
    return [_condition(test, Type.READY, "False", reason, message), *stalled]


def _with(test: LoadTestFacts, wanted: Iterable[Mapping[str, Any]], now: str) -> Status:
    conditions = set_conditions(test.status.get("conditions") or (), wanted, now)
    return {"observedGeneration": test.generation, "conditions": list(conditions)}


def _condition(test: LoadTestFacts, type_: Type, status: Any, reason: Reason, message: str) -> Condition:
    return condition(type_, status, reason, message, test.generation)


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
    return {**concluded(test, verdict, {}, "", "", now), "resultRef": None, "planHash": None}
