"""Names of targets: the direct way goes by DNS alone, past the hosts file that leads back through the layers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from slipstream_loadtest.driver import TargetUnusable
from slipstream_loadtest.resolve import resolver

ADDRESS = b"\x7f\x00\x00\x09"


class OneAddress(asyncio.DatagramProtocol):
    """A name server that knows every name but those of `.nowhere`: all of them are 127.0.0.9."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        question_end = data.index(b"\x00", 12) + 5
        question = data[12:question_end]
        kind = question[-4:-2]
        if b"\x07nowhere" in question:
            answer = data[:2] + b"\x81\x83\x00\x01" + b"\x00" * 6 + question
        elif kind == b"\x00\x01":
            record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04" + ADDRESS
            answer = data[:2] + b"\x81\x80\x00\x01\x00\x01" + b"\x00" * 4 + question + record
        else:
            answer = data[:2] + b"\x81\x80\x00\x01" + b"\x00" * 6 + question
        self.transport.sendto(answer, address)


def names_in_hosts_file() -> list[tuple[str, str]]:
    """Address and name, but for localhost, which no resolver asks DNS for (RFC 6761)."""
    lines = [line.split() for line in Path("/etc/hosts").read_text().splitlines() if line.strip() and not line.startswith("#")]
    return [(line[0], name) for line in lines for name in line[1:] if "localhost" not in name and "ip6" not in name]


@pytest.fixture
async def nameserver() -> AsyncIterator[str]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(OneAddress, local_addr=("127.0.0.1", 0))
    host, port = transport.get_extra_info("sockname")
    yield f"{host}:{port}"
    transport.close()


async def test_direct_names_come_from_dns(nameserver: str):
    """The address that DNS gives."""
    assert await resolver("DNS", [nameserver])("memory-server.team.svc.cluster.local", 8080) == ["127.0.0.9"]


async def test_direct_names_never_come_from_the_hosts_file(nameserver: str):
    """A name that the hosts file knows: by the system it is the file's address (the control), by DNS alone it isn't."""
    named = names_in_hosts_file()
    assert named, "give this machine a name in its hosts file: with localhost alone the control can't be made"
    address, name = named[0]
    assert address in await resolver("System")(name, 80)
    assert await resolver("DNS", [nameserver])(name, 80) == ["127.0.0.9"]


async def test_an_unknown_name_makes_the_target_unusable(nameserver: str):
    """Said before anything is sent."""
    with pytest.raises(TargetUnusable, match=r"memory\.nowhere can't be resolved"):
        await resolver("DNS", [nameserver])("memory.nowhere", 80)
