"""From parts to a judged run: merge, verdict, and what the operator itself knows of the run's end. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from slipstream_loadtest.judged.thresholds import ThresholdRow
from slipstream_loadtest.judged.verdict import Reason, Verdict, judge
from slipstream_loadtest.measured.merge import gather
from slipstream_loadtest.measured.result import Known
from slipstream_loadtest.plan.asked import Comparison
from slipstream_loadtest.plan.model import Plan, plan_hash
from slipstream_loadtest.report.document import as_json
from slipstream_loadtest.report.status import as_status
from slipstream_operator.loadtests.applying.fitting import as_text, room
from slipstream_operator.loadtests.applying.results import packed
from slipstream_operator.loadtests.deciding.actions import Conclude
from slipstream_operator.loadtests.judging import BROKEN, Baseline


@dataclass(frozen=True, slots=True)
class Besides:
    """What the operator knows of a run besides its parts."""

    records: Mapping[str, Any] = field(default_factory=dict)  # why it began, its policies, counters of sidecars: stored with the result
    heard: Sequence[Known] = ()  # what runners said of themselves last
    changed: Sequence[str] = ()  # how its policies changed meanwhile, in words
    unread: str = ""  # name of the result that it was to be compared with, where there is nothing to compare with in it


@dataclass(frozen=True, slots=True)
class Outcome:
    """A judged run: its verdict, its members of the status, and the document that is stored."""

    verdict: Verdict
    figures: dict[str, Any]
    document: str
    plan_hash: str
    measured: str = ""  # for comparisons of later runs, as results.py packs it


def outcome(
    plan: Plan,
    run: str,
    encoded: Iterable[bytes],
    end: Conclude,
    baseline: Baseline | None = None,
    besides: Besides | None = None,
) -> Outcome:
    """Merges and judges. A run that ended by a cause of its own is never more than Inconclusive, whatever its parts say.

    One whose policies changed measured a mixture: it isn't compared, nor is a later run with it.
    """
    besides = besides or Besides()
    result, mixed = gather(plan, encoded, run, known=besides.heard), bool(besides.changed)
    verdict = judge(msgspec.structs.replace(plan, comparison=Comparison()) if mixed else plan, result, baseline)
    causes = [Reason(code=end.cause, message=end.message)] if end.cause else []
    stopped = result.aborted and not result.aborted.startswith(BROKEN) and end.cause not in ("Aborted", "RunnerLost")
    if stopped:  # nobody asked the run to end: a runner was stopped, by its node or by hand
        causes.append(Reason(code="RunnerStopped", message=f"a runner ended early: {result.aborted}"))
    if mixed:
        said = ", ".join(besides.changed[:5]) + (f" and {len(besides.changed) - 5} more" if len(besides.changed) > 5 else "")
        causes.append(Reason(code="PoliciesChanged", message=f"it measured more than one set of policies: {said}"))
    elif besides.unread:
        verdict = _uncompared(plan, verdict, besides.unread)
    if causes:
        verdict = msgspec.structs.replace(verdict, result="Inconclusive", reasons=(*causes, *_other(verdict)))
    figures, measured, beside = as_status(plan, result, verdict), "" if mixed else packed(result), dict(besides.records)
    most = room(measured, beside | {"status": figures})
    return Outcome(verdict, figures, as_text(as_json(plan, result, verdict, max_bytes=most) | beside), plan_hash(plan), measured)


def stored(plan: Plan, document: str) -> Outcome:
    """The outcome of a result that was stored before a restart: what the status shows of it is in the document."""
    read = json.loads(document)
    reasons = tuple(msgspec.convert(reason, Reason) for reason in read["reasons"])
    rows = msgspec.convert(read.get("thresholds") or (), tuple[ThresholdRow, ...])
    verdict = Verdict(result=read["result"], reasons=reasons, thresholds=rows)
    return Outcome(verdict, dict(read["status"]), document, plan_hash(plan))


def with_status(made: Outcome) -> str:
    """The document to store: with the status members, so that a restart can write them without the parts."""
    return as_text(json.loads(made.document) | {"status": made.figures})


def unstored(made: Outcome, why: str) -> Outcome:
    """The outcome of a result that can't be stored in any size: nobody could look at what it rests on."""
    cause = Reason(code="NotStored", message=f"the result can't be stored: {why}")
    return replace(made, verdict=msgspec.structs.replace(made.verdict, result="Inconclusive", reasons=(cause, *_other(made.verdict))))


def cut(made: Outcome, how: str, why: str) -> Outcome:
    """The outcome of a result of which less was stored than there is; its verdict stands."""
    note = Reason(code="ResultCut", message=f"stored without {how}: {why}")
    return replace(made, verdict=msgspec.structs.replace(made.verdict, reasons=(*made.verdict.reasons, note)))


def _uncompared(plan: Plan, verdict: Verdict, name: str) -> Verdict:
    """A result that somebody named isn't a first run's missing baseline: with gate Enforce it takes a pass away."""
    message = f"result {name} has nothing to compare with: gone, too large, of another version, or measured while policies changed"
    reason = Reason(code="BaselineUnlike", message=message)
    others = tuple(r for r in verdict.reasons if r.code not in ("NoBaseline", "Passed"))
    if verdict.result == "Passed" and plan.comparison.enforce:
        return msgspec.structs.replace(verdict, result="Inconclusive", reasons=(reason, *others))
    return msgspec.structs.replace(verdict, reasons=(*(r for r in verdict.reasons if r.code != "NoBaseline"), reason))


def _other(verdict: Verdict) -> tuple[Reason, ...]:
    """Reasons besides the cause; that something passed is none."""
    return tuple(reason for reason in verdict.reasons if reason.code not in ("Passed", "Aborted"))
