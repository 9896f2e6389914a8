"""The event loop's transports as wires: the reference for those in C (tests/compiled/test_poller.py)."""

from __future__ import annotations

from slipstream_runtime.wire.wires import LoopWires
from tests.fakes.wires_conformance import WiresConformance


class TestLoopWires(WiresConformance):
    make = LoopWires
