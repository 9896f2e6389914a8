"""One phase as it ran: its figures while it runs, and for good once all its calls have ended. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from slipstream_loadtest.engine.loads import Matrix
from slipstream_loadtest.measured.part import GeneratorPart, PhasePart, SeriesPart
from slipstream_loadtest.measured.tally import Series
from slipstream_loadtest.plan.model import Phase

_NO_FIGURES: Final = GeneratorPart()


@dataclass(slots=True)
class Record:
    """`over`: its window has passed; calls that were meant to start in it may still run."""

    number: int
    phase: Phase
    series: Matrix
    begin: float = 0.0
    over: bool = False
    held_ms: int = 0
    generator: GeneratorPart = _NO_FIGURES
    _settled: PhasePart | None = None

    def end(self, now: float, generator: GeneratorPart) -> None:
        self.held_ms = self.held(now)
        self.generator = generator
        self.over = True

    def held(self, now: float) -> int:
        """How much of the window has passed, in milliseconds."""
        return self.held_ms if self.over else min(self.phase.duration_ms, max(0, round((now - self.begin) * 1000)))

    @property
    def settled(self) -> bool:
        """Whether no figure of it will change any more."""
        return self.over and not any(one.in_flight for scenario in self.series for one in scenario)

    def close(self) -> PhasePart:
        """The part, once nothing is running any more; made once. Raises AccountingError when the sums don't hold."""
        if self._settled is None:
            series = tuple(one.close() for scenario in self.series for one in scenario)
            self._settled = PhasePart(phase=self.number, held_ms=self.held_ms, series=series, generator=self.generator)
        return self._settled

    def snapshot(self, now: float, generator: Callable[[], GeneratorPart]) -> PhasePart:
        """The figures so far. `generator`: its figures in a phase that is going on."""
        if self.settled:
            return self.close()
        series = tuple(_ended(one) for scenario in self.series for one in scenario)
        own = self.generator if self.over else generator()
        return PhasePart(phase=self.number, held_ms=self.held(now), series=series, generator=own)


def _ended(series: Series) -> SeriesPart:
    """Calls in flight have neither an end nor a place in sums that must add up: they are offered once they have ended."""
    part = series.snapshot()
    return replace(part, offered=part.offered - part.unaccounted())
