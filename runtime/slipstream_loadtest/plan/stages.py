"""Stages of a LoadTest → stages and phases of a plan: which load when, in fixed windows without gaps. Pure.

A block is one repeat on one target. A comparison interleaves blocks as ABBA (Direct, Layers, Layers, Direct, …), so that a drift of the
machine meets both sides alike.

    block = WarmUp, then for each stage: Ramp · Settle · Hold · Drain      with floors of memory: Idle first, and after each Drain

A stage that the next one goes on from (same model, and a ramp) isn't drained unless it asks to be: its users stay, and calls in flight end
in the next phase, counted where they were meant to start. Any other ramp begins at 0, where a drain leaves the load.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from slipstream_api.scalars import parse_duration
from slipstream_loadtest.plan.model import Connections, Phase, PhaseKind, Stage, Target, TargetName
from slipstream_loadtest.plan.refused import PlanRefused
from slipstream_loadtest.plan.schedule import arrivals

if TYPE_CHECKING:
    from slipstream_api.models import LoadTestSpec
    from slipstream_api.models import loadtest as api

MAX_IN_FLIGHT: Final = 1_000  # of an open stage that sets none
IDLE_MS: Final = 2_000  # of a floor: long enough for a garbage collection and several samples
SLICE_MS: Final = 1_000
MOST_SLICES: Final = 120  # of a phase: what a part may hold of each series

Order = Sequence[tuple[TargetName, int]]  # targets as they are measured, with the number of the repeat


def stages(spec: LoadTestSpec, connections: Connections, runners: int, drain_ms: int) -> tuple[Stage, ...]:
    """The stages of a spec. `drain_ms`: of those that say nothing. Raises PlanRefused."""
    made = []
    floors = spec.checks.memory_growth is not None
    for at, stage in enumerate(spec.stages):
        after = spec.stages[at + 1] if at + 1 < len(spec.stages) else None
        goes_on = after is not None and _open(after) == _open(stage) and _ms(after.ramp) > 0 and not floors
        drain = parse_duration(stage.drain) if stage.drain is not None else 0 if goes_on else drain_ms
        made.append(_stage(stage, connections, runners, drain))
    return tuple(made)


def phases(order: Order, made: tuple[Stage, ...], warmup_ms: int, *, floors: bool) -> tuple[Phase, ...]:
    """All windows, one after the other without gaps. The warm-up has the first stage's load."""
    found: list[Phase] = []
    for target, repeat in order:
        for kind, stage, duration, before in _block(made, warmup_ms, floors=floors):
            at = found[-1].end_ms if found else 0
            found.append(
                Phase(
                    kind=kind,
                    target=target,
                    repeat=repeat,
                    stage=stage.name,
                    start_ms=at,
                    duration_ms=duration,
                    users_from=before.users,
                    rate_from=before.rate,
                )
            )
    return tuple(found)


def interleaved(targets: tuple[Target, ...], repeats: int) -> Order:
    """Every second repeat the other way round."""
    return [(target.name, n) for n in range(repeats) for target in (targets if n % 2 == 0 else targets[::-1])]


def slice_ms(planned: tuple[Phase, ...]) -> int:
    """Whole seconds, as few as leave no phase with more than MOST_SLICES slices."""
    longest = max(phase.duration_ms for phase in planned)
    return SLICE_MS * max(1, ceil(Fraction(longest, SLICE_MS * MOST_SLICES)))


def arrivals_before(planned: tuple[Phase, ...], made: tuple[Stage, ...]) -> tuple[Fraction, ...]:
    """For each phase: arrivals of earlier open phases on its target, of all runners. A fraction where the phase goes on from the one
    before, so that arrivals stay as far apart as the rate says; whole after anything else. No number ever comes twice on a target."""
    named = {stage.name: stage for stage in made}
    sums: dict[str, Fraction] = {}
    found = []
    for phase in planned:
        stage = named[phase.stage]
        opened = stage.model == "Open" and phase.kind not in ("Drain", "Idle")
        sums = {t: total if opened and t == phase.target else Fraction(ceil(total)) for t, total in sums.items()}
        found.append(sums.setdefault(phase.target, Fraction(0)))
        if opened:
            begin = Fraction(phase.rate_from) if phase.kind == "Ramp" else stage.exact_rate
            sums[phase.target] += arrivals(stage.exact_rate, Fraction(phase.duration_ms, 1000), begin)
    return tuple(found)


def arrivals_in_all(planned: tuple[Phase, ...], made: tuple[Stage, ...]) -> int:
    """The most arrivals that any target meets."""
    ends = tuple(replace(phase, kind="Idle") for phase in {phase.target: phase for phase in planned}.values())
    return max(ceil(total) for total in arrivals_before(planned + ends, made)[len(planned) :])


_NOTHING: Final = Stage(name="", model="Closed", duration_ms=0)

_Window = tuple[PhaseKind, Stage, int, Stage]  # kind, stage, milliseconds, and the load that a ramp begins with


def _block(made: tuple[Stage, ...], warmup_ms: int, *, floors: bool) -> Iterator[_Window]:
    first = made[0]
    if warmup_ms:
        yield "WarmUp", first, warmup_ms, _NOTHING
    if floors:
        if warmup_ms:
            yield "Drain", first, first.drain_ms, _NOTHING
        yield "Idle", first, IDLE_MS, _NOTHING
    load = _NOTHING  # what is running where the stage begins
    for at, stage in enumerate(made):
        if stage.ramp_ms:
            yield "Ramp", stage, stage.ramp_ms, load
        if stage.settle_ms:
            yield "Settle", stage, stage.settle_ms, _NOTHING
        yield "Hold", stage, stage.duration_ms, _NOTHING
        last = at + 1 == len(made)
        load = stage
        if stage.drain_ms or floors or last or made[at + 1].model != stage.model:
            yield "Drain", stage, stage.drain_ms, _NOTHING
            load = _NOTHING
        if floors:
            yield "Idle", stage, IDLE_MS, _NOTHING


def _stage(stage: api.Stage, connections: Connections, runners: int, drain_ms: int) -> Stage:
    path = f"spec.stages[{stage.name}]"
    duration = parse_duration(stage.duration)
    if duration <= 0:
        raise PlanRefused(f"{path}.duration", "a stage must last: write 30s")
    if (stage.users is None) == (stage.rate_per_second is None):
        raise PlanRefused(path, "set users (closed model) or ratePerSecond (open model)")
    bare = Stage(
        name=stage.name, model="Closed", duration_ms=duration, ramp_ms=_ms(stage.ramp), settle_ms=_ms(stage.settle), drain_ms=drain_ms
    )
    if stage.rate_per_second is None:
        return replace(bare, users=stage.users or 0)
    room = MAX_IN_FLIGHT if stage.max_in_flight is None else stage.max_in_flight
    if room < runners:
        raise PlanRefused(f"{path}.maxInFlight", f"{room} leaves some of {runners} runners without any: set at least {runners}")
    shared = min(connections.shared or room, room)
    return replace(bare, model="Open", rate=f"{stage.rate_per_second}/1", max_in_flight=room, connections=shared)


def _open(stage: api.Stage) -> bool:
    return stage.rate_per_second is not None


def _ms(duration: str | None) -> int:
    return 0 if duration is None else parse_duration(duration)
