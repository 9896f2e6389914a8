"""Where the time of one step's calls went: waiting, connecting, TLS, first byte, last byte, kept apart. Pure: is told durations.

Most calls go over a connection that is there, and their answer comes in one piece: all of their time is the wait for the first byte. They
are counted once, in the histogram of their service time, and cost nothing here; only what differs is recorded phase by phase.
"""

from __future__ import annotations

from typing import NamedTuple

from slipstream_loadtest.measured.histogram import Histogram, merged
from slipstream_loadtest.measured.part import TimingsPart


class CallTimings(NamedTuple):
    """Seconds of one call that weren't the wait for its first byte. `connect` and `tls` are None where nothing was opened."""

    queue: float = 0.0  # waiting for a connection to be free
    connect: float | None = None
    tls: float | None = None
    last_byte: float = 0.0  # from the first byte to the last one


class TimingsTally:
    """The calls that differ, phase by phase; `waited`: seconds before the actual start, which are part of the queue."""

    __slots__ = ("connect", "first_byte", "last_byte", "queue", "tls")

    def __init__(self) -> None:
        self.queue = Histogram()
        self.connect = Histogram()
        self.tls = Histogram()
        self.first_byte = Histogram()
        self.last_byte = Histogram()

    def record(self, service: int, waited: int, timings: CallTimings) -> None:
        """One right answer: `service` and `waited` in nanoseconds. What no other phase took was the wait for the first byte."""
        queue, last = int(timings.queue * 1e9), int(timings.last_byte * 1e9)
        rest = service - queue - last
        self.queue.record(queue + waited)
        self.last_byte.record(last)
        if timings.connect is not None:
            connect = int(timings.connect * 1e9)
            self.connect.record(connect)
            rest -= connect
        if timings.tls is not None:
            tls = int(timings.tls * 1e9)
            self.tls.record(tls)
            rest -= tls
        self.first_byte.record(max(0, rest))

    def part(self, whole: Histogram, waits: Histogram | None) -> TimingsPart | None:
        """All of them, with the service times of the calls that were in one piece, and their waits where they had any."""
        if not whole.count and not self.first_byte.count:
            return None
        nothing = Histogram()
        nothing.record_many(0, whole.count)
        return TimingsPart(
            queue=merged((self.queue, waits if waits is not None else nothing)).encode(),
            connect=self.connect.encode(),
            tls=self.tls.encode(),
            first_byte=merged((self.first_byte, whole)).encode(),
            last_byte=merged((self.last_byte, nothing)).encode(),
        )
