"""The poller in C: as wires and pollers do everywhere. It has to be built: `make test-compiled`."""

from __future__ import annotations

from slipstream_runtime.wire._wire import Poller
from slipstream_runtime.wire.wires import POLLER, PollerWires, Wires
from tests.fakes.poller_conformance import PollerConformance
from tests.fakes.turn_conformance import TurnConformance
from tests.fakes.wires_conformance import WiresConformance


def in_c() -> Wires:
    return PollerWires(Poller)


class TestWiresInC(WiresConformance):
    make = staticmethod(in_c)


class TestPollerInC(PollerConformance):
    kind = Poller


def test_it_is_what_the_proxy_takes() -> None:
    assert POLLER is Poller


class TestTurnsInC(TurnConformance):
    kind = Poller
