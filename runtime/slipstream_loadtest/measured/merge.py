"""Adds up what runners measured: a commutative, associative, idempotent fold keyed by run, index and attempt. Pure; judges nothing.

One part per key survives: of two with the same key the later one (more offered calls, then the greater digest, so that any order chooses
the same). One attempt per index is added up: whole before aborted, then the one that offered more. Unlike plans are refused, never mixed.

`merge` adds up what it is given, snapshots of a run that goes on included; `gather` has the last word, and snapshots are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from slipstream_loadtest.measured.histogram import Unlike
from slipstream_loadtest.measured.part import LIVE, Part, PhasePart, check_series, decode_part, digest, encode_part
from slipstream_loadtest.measured.result import Known, Refused, Result, Window, sum_generators, sum_isolation, sum_series
from slipstream_loadtest.plan.model import Plan, plan_hash

Key = tuple[str, int, str]
Parts = Mapping[Key, Part]


def fold(known: Parts, part: Part) -> Parts:
    """`known` with one more part; the same part again changes nothing."""
    key = (part.run, part.index, part.attempt)
    before = known.get(key)
    return known if before is not None and _rank(before) >= _rank(part) else {**known, key: part}


def merge(plan: Plan, parts: Iterable[Part], run: str | None = None) -> Result:
    """The result of one run. Raises Unlike for a part of another plan or of an index that the plan doesn't have, and, where `run` isn't
    given, for parts of several runs; with `run`, parts of other runs are left out and counted."""
    known: Parts = {}
    foreign = set()
    for part in parts:
        if run is None or part.run == run:
            check_part(plan, part)
            known = fold(known, part)
        else:
            foreign.add((part.run, part.index, part.attempt))
    if len({key[0] for key in known}) > 1:
        raise Unlike(f"parts of several runs: {', '.join(sorted({key[0] for key in known}))}; say which one to merge")
    chosen = _choose(known.values())
    received = tuple(sorted(chosen))
    in_order = [chosen[i] for i in received]
    aborted = [part.aborted for part in in_order if part.aborted]
    samples = {sample for part in in_order for sample in part.memory}
    return Result(
        plan_hash=plan_hash(plan),
        run=run if run is not None else next(iter(known))[0] if known else "",
        runners=plan.runners,
        received=received,
        lost=tuple(i for i in range(plan.runners) if i not in chosen),
        cut=tuple(i for i in received if chosen[i].aborted),
        superseded=len(known) - len(chosen),
        foreign=len(foreign),
        aborted=aborted[0] if aborted else "",
        start_skew_ms=max((part.start_skew_ms for part in in_order), default=0),
        windows=tuple(_window(plan, number, [_phase(part, number) for part in in_order]) for number in range(len(plan.phases))),
        memory=tuple(sorted(samples, key=lambda sample: (sample.at_ms, sample.bytes))),
        memory_error=next((part.memory_error for part in in_order if part.memory_error), ""),
        isolation=sum_isolation([part.isolation for part in in_order if part.isolation is not None]),
    )


def gather(plan: Plan, encoded: Iterable[bytes], run: str, broken: Mapping[str, str] | None = None, known: Iterable[Known] = ()) -> Result:
    """The result of what has come, whatever it is: nothing raises. What can't be read or added up is refused by name, and its runner is
    lost unless there is another part of it. `broken`: by digest, what a log held but couldn't give back (part.Found). `known`: what runners
    were last heard of; of a lost one it is kept."""
    refused = {Refused(name=name[:12], why=why) for name, why in (broken or {}).items()}
    whole: list[Part] = []
    for data in encoded:
        part = _readable(data)
        if isinstance(part, Refused):
            refused.add(part)
        elif part.run != run:
            whole.append(part)  # counted as foreign
        elif why := _unlike(plan, part):
            refused.add(Refused(name=f"runner {part.index}", why=why))
        elif part.aborted != LIVE:
            whole.append(part)
    made = merge(plan, whole, run)
    return msgspec.structs.replace(
        made,
        known=tuple(sorted((one for one in known if one.index in made.lost), key=lambda one: one.index)),
        refused=tuple(sorted(refused, key=lambda one: (one.name, one.why))),
    )


def _readable(data: bytes) -> Part | Refused:
    try:
        return decode_part(data)
    except Unlike as error:
        return Refused(name=digest(data)[:12], why=str(error))


def _unlike(plan: Plan, part: Part) -> str:
    try:
        check_part(plan, part)
    except Unlike as error:
        return str(error)
    return ""


def check_part(plan: Plan, part: Part) -> None:
    """Raises Unlike, naming the part, where it isn't one of this plan or its figures don't add up."""
    if part.plan_hash != plan_hash(plan):
        raise Unlike(f"part {part.index} measured another plan ({part.plan_hash[:12]}, not {plan_hash(plan)[:12]})")
    if not 0 <= part.index < plan.runners:
        raise Unlike(f"part of runner {part.index}: the plan has runners 0 to {plan.runners - 1}")
    names = [(scenario.name, step.name) for scenario in plan.scenarios for step in scenario.steps]
    for phase in part.phases:
        if not 0 <= phase.phase < len(plan.phases):
            raise Unlike(f"part {part.index}: the plan has no phase {phase.phase}")
        if phase.series and [(s.scenario, s.step) for s in phase.series] != names:
            raise Unlike(f"part {part.index}: phase {phase.phase} has other steps than the plan")
        for series in phase.series:
            try:
                check_series(series)
            except Unlike as error:
                raise Unlike(f"part {part.index}, phase {phase.phase}: {error}") from None


def _rank(part: Part) -> tuple[bool, bool, int, int, str]:
    """The order in which parts replace each other, from least to most."""
    return (not part.aborted, part.aborted != LIVE, len(part.phases), part.offered, digest(encode_part(part)))


def _choose(parts: Iterable[Part]) -> dict[int, Part]:
    """The attempt that counts of each index."""
    chosen: dict[int, Part] = {}
    for part in parts:
        rival = chosen.get(part.index)
        if rival is None or (_rank(part), part.attempt) > (_rank(rival), rival.attempt):
            chosen[part.index] = part
    return chosen


def _phase(part: Part, number: int) -> PhasePart | None:
    return next((phase for phase in part.phases if phase.phase == number), None)


def _window(plan: Plan, number: int, measured: list[PhasePart | None]) -> Window:
    planned = plan.phases[number]
    window = Window(
        phase=number,
        kind=planned.kind,
        target=planned.target,
        repeat=planned.repeat,
        stage=planned.stage,
        planned_ms=planned.duration_ms,
        held_ms=0,
    )
    there = [phase for phase in measured if phase is not None]
    if not there:
        return window
    columns = zip(*(phase.series for phase in there if phase.series), strict=True)  # one step of all runners each
    return msgspec.structs.replace(
        window,
        held_ms=max(phase.held_ms for phase in there),
        throughput=sum(_throughput(phase) for phase in there),
        cpu_percent=max(_cpu_percent(phase) for phase in there),
        steps=tuple(sum_series(column) for column in columns),
        generator=sum_generators([phase.generator for phase in there]),
    )


def _throughput(phase: PhasePart) -> float:
    return sum(series.in_window for series in phase.series) * 1000 / phase.held_ms if phase.held_ms else 0.0


def _cpu_percent(phase: PhasePart) -> float:
    return phase.generator.cpu_ms * 100 / phase.generator.wall_ms if phase.generator.wall_ms else 0.0
