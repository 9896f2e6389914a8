"""The generator's own health: pauses of the collector and memory, of each phase by itself."""

import asyncio
import gc
import mmap

from slipstream_api.clock import ManualClock
from slipstream_loadtest.engine.probe import Probe, resident
from slipstream_loadtest.measured.part import GeneratorPart


def a_probe(clock: ManualClock, memory: list[int]) -> Probe:
    return Probe(clock, lambda: 0.0, memory.pop)


def test_pauses_of_the_collector_are_added_up_and_the_longest_kept():
    """Two pauses of 2 and 5 ms; the next phase begins without them."""
    clock = ManualClock()
    probe = a_probe(clock, [0, 7, 0])
    probe.take()
    for seconds in (0.002, 0.005):
        probe._collected("start", {})
        clock.advance(seconds)
        probe._collected("stop", {})
        clock.advance(1)
    taken = probe.take()
    assert (taken.gc_ms, taken.gc_longest_us, taken.memory_bytes) == (7, 5000, 7)
    assert (probe.take().gc_ms, taken.wall_ms) == (0, 2007)


def test_figures_can_be_read_without_beginning_anew():
    """Twice the same, and then taken whole."""
    clock = ManualClock()
    probe = a_probe(clock, [0, 7, 7, 7, 0])
    probe.take()
    probe._collected("start", {})
    clock.advance(0.003)
    probe._collected("stop", {})
    probe.start_lag.record(1_000)
    assert probe.figures() == probe.figures() == probe.take()
    assert probe.figures() == GeneratorPart()


async def test_the_collector_is_watched_while_the_probe_runs_and_no_longer():
    """A collection in between is seen; stopped twice is stopped."""
    ends = []

    class Clock(ManualClock):
        def now(self) -> float:
            ends.append(gc.isenabled())
            self.advance(0.001)
            return super().now()

    before = list(gc.callbacks)
    probe = Probe(Clock(), lambda: 0.0)
    probe.start()
    await asyncio.sleep(0)
    gc.collect()
    assert probe.take().gc_longest_us >= 1000
    probe.stop()
    probe.stop()
    assert gc.callbacks == before
    seen = len(ends)
    gc.collect()
    assert len(ends) == seen


def test_memory_is_that_of_this_process_now():
    """64 MB more are seen; whatever was before isn't counted twice. Of pages that are new: an allocator may have some left."""
    before = resident()
    with mmap.mmap(-1, 64 << 20) as ballast:
        for page in range(0, len(ballast), mmap.PAGESIZE):
            ballast[page] = 1
        assert 60 << 20 < resident() - before < 80 << 20
