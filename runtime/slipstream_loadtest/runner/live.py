"""Snapshots of one runner, each of some phases, as one part of all that is known of it so far. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from slipstream_loadtest.measured.histogram import Unlike
from slipstream_loadtest.measured.part import Part, PhasePart, decode_part


class Live:
    """What a runner has said so far."""

    def __init__(self) -> None:
        self._phases: dict[int, PhasePart] = {}
        self.part: Part | None = None

    def hear(self, data: bytes) -> None:
        """One more snapshot, encoded; one that can't be read changes nothing, since the next comes in a second."""
        try:
            part = decode_part(data)
        except Unlike:
            return
        self._phases.update({phase.phase: phase for phase in part.phases})
        self.part = replace(part, phases=tuple(self._phases[number] for number in sorted(self._phases)))
