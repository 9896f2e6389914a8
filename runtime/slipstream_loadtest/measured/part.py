"""What one runner measured: versioned JSON with a digest, and its framing on stdout, from which logs give it back. Pure; judges nothing.

A frame is one line `SLIPSTREAM-PART <digest> <n>/<total> <base64>`, under 16 kB, so that no log driver splits it. The digest is the
sha256 of the part's canonical JSON, which is deflated in the frames. Lines may come in any order, twice, with anything before them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from slipstream_loadtest.measured.histogram import Histogram, HistogramData, Unlike

PART_VERSION: Final = 3
READABLE_PARTS: Final = frozenset({2, PART_VERSION})  # of version 2: slices without opened, reused, hits and reads
FRAME_MARK: Final = "SLIPSTREAM-PART"
MAX_LINE: Final = 16_000
MAX_PART: Final = 32 << 20  # bytes of JSON: logs come from a pod, so nothing in them is believed
_CHUNK: Final = 15_600  # base64 characters of a frame: with mark, digest and counters below MAX_LINE
_FRAME: Final = re.compile(rf"{FRAME_MARK} ([0-9a-f]{{64}}) (\d{{1,5}})/(\d{{1,5}}) ([A-Za-z0-9+/=]{{1,{_CHUNK}}})(?![A-Za-z0-9+/=])")

LIVE: Final = "still running"  # `aborted` of a part that is sent while its run goes on: what has ended so far, never the last word

_NONE: Final = HistogramData()


class MeasuredPart(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base: immutable, camelCase on the wire, unknown fields refused."""


class SlicePart(MeasuredPart, frozen=True, kw_only=True):
    """What ended in one slice of a phase (`Plan.slice_ms` long), by the moment of its end. `latency`: of right answers, from the intended
    start in the open model, else from the actual one. `reads`: answers to requests that a cache may answer, and that say what it did."""

    number: int  # from the phase's start, 0 first; slices without any end are left out
    completed: int = 0
    failed: int = 0
    dropped: int = 0
    wrong: int = 0
    opened: int = 0
    reused: int = 0
    hits: int = 0  # of `reads`
    reads: int = 0
    latency: HistogramData = _NONE


SLICED: Final = ("completed", "failed", "dropped", "wrong", "opened", "reused", "hits", "reads")  # the counts of a slice


class TimingsPart(MeasuredPart, frozen=True, kw_only=True):
    """Phases of the calls of one step, of right answers: where the time went. Together they are the latency (queue counts from the intended
    start in the open model). `connect` and `tls` have a value for those calls only that had to open their connection."""

    queue: HistogramData = _NONE  # waiting for a connection to be free
    connect: HistogramData = _NONE
    tls: HistogramData = _NONE
    first_byte: HistogramData = _NONE  # from the request's last byte written to the answer's first byte
    last_byte: HistogramData = _NONE  # from there to its last byte


class SeriesPart(MeasuredPart, frozen=True, kw_only=True):
    """One step in one phase: see tally.py for what the figures mean."""

    scenario: str
    step: str
    offered: int = 0
    completed: int = 0
    failed: int = 0
    dropped: int = 0
    censored: int = 0
    in_window: int = 0
    wrong: int = 0
    opened: int = 0
    reused: int = 0
    service: HistogramData = _NONE
    latency: HistogramData | None = None
    error_after: HistogramData = _NONE
    censored_after: HistogramData = _NONE
    errors: dict[str, int] = {}
    cache: dict[str, int] = {}
    timings: TimingsPart | None = None
    slices: tuple[SlicePart, ...] = ()

    def unaccounted(self) -> int:
        """offered - completed - failed - dropped - censored, which must be 0."""
        return self.offered - self.completed - self.failed - self.dropped - self.censored


COUNTS: Final = ("offered", "completed", "failed", "dropped", "censored", "in_window", "wrong", "opened", "reused")  # of a series


class GeneratorPart(MeasuredPart, frozen=True, kw_only=True):
    """The generator's own health in one phase. Loop lag: how long a turn of the event loop took; start lag: actual minus intended start."""

    loop_lag: HistogramData = _NONE
    start_lag: HistogramData = _NONE
    cpu_ms: int = 0
    wall_ms: int = 0
    gc_ms: int = 0  # pauses of the garbage collector
    gc_longest_us: int = 0
    memory_bytes: int = 0  # resident, at the phase's end


class PhasePart(MeasuredPart, frozen=True, kw_only=True):
    """One phase of the plan. `held_ms`: how much of its window took place (less than planned after an abort)."""

    phase: int
    held_ms: int
    series: tuple[SeriesPart, ...] = ()
    generator: GeneratorPart = GeneratorPart()


class MemorySample(MeasuredPart, frozen=True, kw_only=True):
    """The target's memory at a moment of the run."""

    at_ms: int  # since the common start
    bytes: int


class IsolationPart(MeasuredPart, frozen=True, kw_only=True):
    """Probes of one runner's share of the sessions. A crossing: an answer that holds another session's canary. Missing: a read that doesn't
    hold the session's own. The control is the same probe against answers that were deliberately swapped between sessions."""

    sessions: int
    probes: int = 0
    failed: int = 0  # probes without an answer that could be judged
    crossings: int = 0
    missing: int = 0
    control_probes: int = 0
    control_crossings: int = 0
    examples: tuple[str, ...] = ()  # at most 5, who got whose


class Part(MeasuredPart, frozen=True, kw_only=True):
    """All that one attempt of one runner measured in one run."""

    version: int = PART_VERSION
    plan_hash: str
    run: str
    index: int
    attempt: str
    aborted: str = ""  # why it ended early; empty: it did not
    start_skew_ms: int = 0  # how late the run began against the common start
    phases: tuple[PhasePart, ...] = ()
    memory: tuple[MemorySample, ...] = ()
    memory_error: str = ""  # why the target's memory couldn't be read
    isolation: IsolationPart | None = None

    @property
    def offered(self) -> int:
        return sum(series.offered for phase in self.phases for series in phase.series)


def encode_part(part: Part) -> bytes:
    """Canonical JSON: equal parts give equal bytes and an equal digest."""
    return msgspec.json.encode(part, order="sorted")


def decode_part(data: bytes) -> Part:
    """The part in `data`; raises Unlike for anything that this version can't add up."""
    try:
        version = msgspec.json.decode(data, type=_Versioned).version
        if version not in READABLE_PARTS:
            known = " and ".join(map(str, sorted(READABLE_PARTS)))
            raise Unlike(f"part of version {version}: this version merges {known}; use one image for the operator and its runners")
        part = msgspec.json.decode(data, type=Part)
    except msgspec.MsgspecError as error:
        raise Unlike(f"not a part: {error}") from None
    _check(part)
    return part


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def frame(data: bytes) -> list[str]:
    """The lines that carry an encoded part through a log."""
    text = base64.b64encode(zlib.compress(data, 6)).decode()
    chunks = [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)]
    name = digest(data)
    return [f"{FRAME_MARK} {name} {n}/{len(chunks)} {chunk}" for n, chunk in enumerate(chunks, 1)]


@dataclass(slots=True)
class Found:
    """What a log held: encoded parts that came through whole, by digest, and the digests of those that didn't, with the reason."""

    parts: dict[str, bytes] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


def find_parts(lines: Iterable[str]) -> Found:
    """Every part in a log, as it was encoded; decode_part says what is in it. Lost lines and other bytes are told apart; neither raises."""
    chunks: dict[str, dict[int, str]] = {}
    totals: dict[str, int] = {}
    for line in lines:
        if (match := _FRAME.search(line)) is not None:
            name, number, total, chunk = match.group(1), int(match.group(2)), int(match.group(3)), match.group(4)
            totals.setdefault(name, total)
            chunks.setdefault(name, {}).setdefault(number, chunk)
    found = Found()
    for name, total in totals.items():
        if sorted(chunks[name]) != list(range(1, total + 1)):
            found.broken[name] = f"{len(chunks[name])} of {total} lines: the log was cut or rotated"
            continue
        try:
            found.parts[name] = _unframe(name, "".join(chunks[name][n] for n in range(1, total + 1)))
        except (Unlike, ValueError, zlib.error, binascii.Error) as error:
            found.broken[name] = str(error)
    return found


def _unframe(name: str, text: str) -> bytes:
    inflater = zlib.decompressobj()
    data = inflater.decompress(base64.b64decode(text, validate=True), MAX_PART)
    if not inflater.eof:
        raise Unlike(f"the part isn't whole or larger than {MAX_PART} bytes")
    if digest(data) != name:
        raise Unlike("the contents don't have this digest")
    return data


def _check(part: Part) -> None:
    """Every number that arithmetic relies on; raises Unlike that names the series."""
    for phase in part.phases:
        for series in phase.series:
            try:
                check_series(series)
            except Unlike as error:
                raise Unlike(f"part {part.index}, phase {phase.phase}: {error}") from None
        Histogram.decode(phase.generator.loop_lag)
        Histogram.decode(phase.generator.start_lag)


def check_series(series: SeriesPart) -> None:
    """The law of accounting, no negative count, histograms of one kind, and no more in the slices than in the whole; raises Unlike."""
    name = f"{series.scenario}/{series.step}"
    counts = [getattr(series, each) for each in COUNTS]
    if min(counts) < 0 or series.unaccounted():
        raise Unlike(f"{name}: {series.unaccounted()} of {series.offered} offered calls have no end")
    for each in SLICED[:6]:
        if sum(getattr(one, each) for one in series.slices) > getattr(series, each):
            raise Unlike(f"{name}: its slices have more {each} calls than it has itself")
    if sum(one.reads for one in series.slices) > sum(series.cache.values()):
        raise Unlike(f"{name}: its slices have more cache outcomes than it has itself")
    if any(one.hits > one.reads or min(one.number, *(getattr(one, each) for each in SLICED)) < 0 for one in series.slices):
        raise Unlike(f"{name}: a slice has a negative number, or more hits than reads")
    timings = series.timings or TimingsPart()
    for data in (
        *(series.service, series.latency or _NONE, series.error_after, series.censored_after),
        *(timings.queue, timings.connect, timings.tls, timings.first_byte, timings.last_byte),
        *(one.latency for one in series.slices),
    ):
        Histogram.decode(data)


class _Versioned(msgspec.Struct):
    version: int = 0
