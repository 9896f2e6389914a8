"""The conditions of a LoadTest, out of what was decided and judged. Pure; times come in as RFC 3339."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from slipstream_api.conditions import Reason, Status, Type, condition, set_conditions
from slipstream_loadtest.judged.verdict import Verdict
from slipstream_operator.loadtests.facts import LoadTestFacts, Problem

Condition = dict[str, Any]
MESSAGE_BYTES: Final = 600
BROKEN: Final = frozenset({Reason.THRESHOLDS_FAILED, Reason.REGRESSED, Reason.ISOLATION_BROKEN, Reason.MEMORY_GROWS, Reason.DEGRADES})
BESIDE_THRESHOLDS: Final = frozenset({"TooFewRepeats", "BaselineUnlike", "ComparisonInconclusive", "CheckInconclusive"})
"""What makes a run inconclusive, and leaves its thresholds as they are."""


def outcome_of(verdict: Verdict) -> Reason:
    """How Succeeded ends: of a run that failed, by what."""
    if verdict.result == "Passed":
        return Reason.PASSED
    if verdict.result == "Failed":
        return next((Reason(r.code) for r in verdict.reasons if r.code in BROKEN), Reason.THRESHOLDS_FAILED)
    return Reason.ABORTED if any(r.code == "Aborted" for r in verdict.reasons) else Reason.INCONCLUSIVE


def thresholds_met(verdict: Verdict) -> tuple[Status, Reason, str]:
    """What is to be said of the thresholds, whatever else the run failed or lacked; nothing where what they rest on can't be trusted."""
    rows, said = [row for row in verdict.thresholds if row.enforce], words(verdict)
    trusted = verdict.result != "Inconclusive" or verdict.reasons[0].code in BESIDE_THRESHOLDS
    codes, results = {r.code for r in verdict.reasons}, {row.result for row in rows}
    if trusted and ("Failed" in results or "ThresholdsFailed" in codes):
        return "False", Reason.FAILED, said
    if "NoData" in codes or "NoData" in results:
        return "Unknown", Reason.NO_DATA, said
    if not trusted or "LowerBound" in results:
        return "Unknown", Reason.INCONCLUSIVE, said
    return "True", Reason.ALL_PASSED, f"thresholds that hold: {len(rows)} of {len(rows)}" if rows else "no thresholds are set"


def words(verdict: Verdict) -> str:
    """All that the verdict says, each with its code, the deciding one first; that it passed needs none."""
    return "; ".join(r.message if r.code == "Passed" else f"{r.code}: {r.message}" for r in verdict.reasons)


def queued(test: LoadTestFacts, message: str) -> list[Condition]:
    """A run is asked for, and others are before it."""
    return [
        *spec_conditions(test, None),
        of_test(test, Type.RUNNERS_READY, "Unknown", Reason.PENDING, message),
        of_test(test, Type.SUCCEEDED, "Unknown", Reason.QUEUED, message),
        of_test(test, Type.THRESHOLDS_MET, "Unknown", Reason.PENDING, message),
        of_test(test, Type.READY, "False", Reason.QUEUED, message),
        of_test(test, Type.RECONCILING, "True", Reason.QUEUED, message),
    ]


def last_outcome(test: LoadTestFacts) -> list[Condition]:
    """What the last run said, also where a test had waited since, and then asked for nothing more."""
    kept = [dict(c) for c in test.status.get("conditions") or () if c["type"] in (Type.SUCCEEDED, Type.THRESHOLDS_MET, Type.RUNNERS_READY)]
    if not any(c["type"] == Type.SUCCEEDED and c["reason"] == Reason.QUEUED for c in kept):
        return kept
    record = next(iter(test.status.get("history") or ()), None)
    if record is None:
        return [of_test(test, Type.SUCCEEDED, "Unknown", Reason.PENDING, "no run yet")]
    reason = Reason(record["reason"])
    return [of_test(test, Type.SUCCEEDED, "True" if reason == Reason.PASSED else "False", reason, f"run {record['run']}")]


def in_progress(test: LoadTestFacts, reason: Reason, message: str, started: bool, unready: Reason = Reason.SCHEDULING) -> list[Condition]:
    """All of a run that is going on. `unready`: why its runners aren't ready."""
    ready = ("True", Reason.READY, "all of them") if started else ("False", unready, message)
    return [
        *spec_conditions(test, None),
        of_test(test, Type.RUNNERS_READY, *ready),
        of_test(test, Type.SUCCEEDED, "Unknown", reason, message),
        of_test(test, Type.THRESHOLDS_MET, "Unknown", Reason.PENDING, "the run isn't over"),
        of_test(test, Type.READY, "False", reason, message),
        of_test(test, Type.RECONCILING, "True", reason, message),
    ]


def spec_conditions(test: LoadTestFacts, problem: Problem | None) -> list[Condition]:
    """What is to be said of the spec."""
    accepted = of_test(test, Type.ACCEPTED, "True", Reason.ACCEPTED, "it can be run")
    found = of_test(test, Type.RESOLVED_REFS, "True", Reason.RESOLVED_REFS, "the target is known")
    if problem is not None and problem.type == "Accepted":
        accepted = of_test(test, Type.ACCEPTED, "False", Reason(problem.reason), problem.message)
    elif problem is not None:
        found = of_test(test, Type.RESOLVED_REFS, "False", Reason(problem.reason), problem.message)
    suspended = [of_test(test, Type.SUSPENDED, "True", Reason.SUSPENDED, "spec.suspend is true")] if test.suspended else []
    return [accepted, found, *suspended]


def summary_of(test: LoadTestFacts, last: Iterable[Mapping[str, Any]], problem: Problem | None) -> list[Condition]:
    """Ready, and Stalled where somebody has to do something."""
    if problem is not None:
        return [
            of_test(test, Type.READY, "False", Reason(problem.reason), problem.message),
            of_test(test, Type.STALLED, "True", Reason(problem.reason), problem.message),
        ]
    outcome = next((c for c in last if c["type"] == Type.SUCCEEDED), None)
    if outcome is None:
        return []
    reason, message = Reason(outcome["reason"]), str(outcome["message"])
    if reason == Reason.PASSED:
        return [of_test(test, Type.READY, "True", Reason.PASSED, message)]
    if reason == Reason.PENDING:
        return [of_test(test, Type.READY, "Unknown", Reason.PENDING, message)]
    stalled = [] if reason == Reason.ABORTED else [of_test(test, Type.STALLED, "True", reason, message)]
    return [of_test(test, Type.READY, "False", reason, message), *stalled]


def with_conditions(test: LoadTestFacts, wanted: Iterable[Mapping[str, Any]], now: str) -> dict[str, Any]:
    """The members of the status that say all this."""
    conditions = set_conditions(test.status.get("conditions") or (), wanted, now)
    return {"observedGeneration": test.generation, "conditions": list(conditions)}


def of_test(test: LoadTestFacts, type_: Type, status: Any, reason: Reason, message: str) -> Condition:
    """A condition of this generation, with a message that leaves room for the rest of the status."""
    if len(message.encode()) > MESSAGE_BYTES:
        message = message.encode()[: MESSAGE_BYTES - 3].decode("utf-8", "ignore") + "…"
    return condition(type_, status, reason, message, test.generation)
