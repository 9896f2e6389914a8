"""Whether an earlier run can be the baseline of this one: the same load, asked in the same way, measured whole. Pure; compares no figure.

Name, seed, runners, thresholds and the target's address may differ; seed, runners and address are said. All else must be the same: a run
with other stages, scenarios, data, connections or warm-up measures something else, however alike the names of its metrics are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from slipstream_loadtest.judged.stats import repeats_needed
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.plan.model import Plan, Target, TargetName

Baseline = tuple[Plan, Result]


def unfit(plan: Plan, baseline: Baseline) -> str:
    """Why `baseline` can't be compared with a run of `plan`; empty when it can. For whoever chooses one, too."""
    if different := unlike(plan, baseline[0]):
        return different
    result = baseline[1]
    if result.aborted or result.lost:
        how = f"ended early ({result.aborted})" if result.aborted else f"lost {len(result.lost)} of {result.runners} runners"
        return f"the baseline {how}: choose another one"
    return few(plan, baseline[0])


def unlike(plan: Plan, other: Plan) -> str:
    """The first field in which the two loads differ, with both values; empty when there is none."""
    mine, theirs = (msgspec.to_builtins(_load(one)) for one in (plan, other))
    found = next(_differences("", mine, theirs), None)
    if found is None:
        return ""
    path, now, then = found
    if now is None or then is None:
        return f"{path} is {'only' if now is None else 'not'} in the baseline; run the baseline again with this load"
    return f"{path} differs from the baseline's: {_short(now)} now, {_short(then)} then; run the baseline again with this load"


def few(plan: Plan, other: Plan | None = None) -> str:
    """What to change when the repeats of the two sides can't show anything at the confidence asked for, over all rows that are shown."""
    if plan.comparison.baseline == "None":
        return ""
    needed = repeats_needed(1 - plan.comparison.confidence, rows(plan))
    mine = repeats(plan, plan.candidate)
    how = f"can't show a difference at {plan.comparison.confidence:.0%} confidence in {_count(rows(plan), 'row')}"
    if mine < needed:
        return f"{_count(mine, 'repeat')} {how}: set repeats to at least {needed}"
    theirs = needed if other is None else repeats(other, other.candidate)
    if theirs < needed:
        return f"the baseline's {_count(theirs, 'repeat')} {how}: run it again with repeats of at least {needed}"
    return ""


def notes(plan: Plan, baseline: Baseline) -> str:
    """What one should know of a stored baseline: which run, and what else was different."""
    other, result = baseline
    said = [f"compared with run {_name(result.run)}, at another time: what changed meanwhile besides the target counts too"]
    if plan.seed != other.seed:
        said.append(f"its seed was {other.seed}, this one's is {plan.seed}")
    if plan.runners != other.runners:
        said.append(f"it had {other.runners} runners, this one {plan.runners}")
    addresses = [one.target(one.candidate) for one in (other, plan)]
    if _address(addresses[0]) != _address(addresses[1]):
        said.append(f"its target was {_address(addresses[0])}, this one's is {_address(addresses[1])}")
    return "; ".join(said)


def rows(plan: Plan) -> int:
    """How many differences are shown together."""
    return len(plan.stages) * len(plan.comparison.metrics)


def repeats(plan: Plan, target: TargetName) -> int:
    """How often each stage is measured on a target."""
    return len({phase.repeat for phase in plan.phases if phase.kind == "Hold" and phase.target == target})


def _name(run: str) -> str:
    """Short: its first characters, and in a cluster the number of the LoadTest's run, which alone tells two runs of one test apart."""
    test, slash, number = run.rpartition("/")
    return f"{test[:8]}/{number}" if slash else run[:12]


def _load(plan: Plan) -> dict[str, Any]:
    return {
        "target": plan.candidate,
        "stages": {stage.name: stage for stage in plan.stages},
        "scenarios": {scenario.name: scenario for scenario in plan.scenarios},
        "data": {one.name: one for one in plan.data},
        "connections": plan.connections,
        "timeout": plan.timeout_ms,
        "warmup": next((phase.duration_ms for phase in plan.phases if phase.kind == "WarmUp"), 0),
    }


def _address(target: Target) -> str:
    return target.url or f"${target.env}"


def _differences(path: str, mine: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for name in dict.fromkeys([*mine, *theirs]):
            yield from _differences(f"{path}.{name}" if path else name, mine.get(name), theirs.get(name))
    elif mine != theirs:
        yield path, mine, theirs


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
