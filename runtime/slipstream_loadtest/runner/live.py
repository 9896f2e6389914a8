"""Snapshots of one runner, each of some phases, as one part of all that is known of it so far. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from slipstream_loadtest.measured.part import Part, PhasePart, find_parts


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
        for part in found.values():
            self._phases.update({phase.phase: phase for phase in part.phases})
            self.part = replace(part, phases=tuple(self._phases[number] for number in sorted(self._phases)))
        self._lines.clear()
        return bool(found)
