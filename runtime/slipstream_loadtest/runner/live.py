"""Snapshots of one runner, each of some phases, as one part of all that is known of it so far. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from slipstream_loadtest.measured.histogram import Unlike
from slipstream_loadtest.measured.part import Part, PhasePart, decode_part, find_parts


class Live:
    """What a runner has said so far: lines of frames, in their order."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._phases: dict[int, PhasePart] = {}
        self.part: Part | None = None

    def hear(self, line: str) -> bool:
        """One more line; whether a snapshot is whole with it. Its last frame comes last: the runner's output is a pipe."""
        self._lines.append(line)
        number, _, total = line.split(" ")[2].partition("/")
        if number != total:
            return False
        found = find_parts(self._lines).parts
        self._lines.clear()
        try:
            for data in found.values():
                self._add(decode_part(data))
        except Unlike:  # the next one comes in a second
            return False
        return bool(found)

    def _add(self, part: Part) -> None:
        self._phases.update({phase.phase: phase for phase in part.phases})
        self.part = replace(part, phases=tuple(self._phases[number] for number in sorted(self._phases)))
