"""The event loop's transports and the poller in Python as wires; the one in C is tested where it exists (tests/compiled/test_poller.py)."""

from __future__ import annotations

from slipstream_runtime.wire.poller import Poller
from slipstream_runtime.wire.wires import LoopWires, PollerWires, Wires
from tests.fakes.poller_conformance import PollerConformance
from tests.fakes.turn_conformance import TurnConformance
from tests.fakes.wires_conformance import WiresConformance


def in_python() -> Wires:
    return PollerWires(Poller)


class TestLoopWires(WiresConformance):
    make = LoopWires


class TestPythonWires(WiresConformance):
    make = staticmethod(in_python)


class TestPythonPoller(PollerConformance):
    kind = Poller


class TestPythonTurns(TurnConformance):
    kind = Poller
