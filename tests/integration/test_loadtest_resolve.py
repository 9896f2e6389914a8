"""Names of targets: the direct way goes by DNS alone, past the hosts file that leads back through the layers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from slipstream_loadtest.engine.driver import TargetUnusable
from slipstream_loadtest.http.resolve import resolver
from tests.fakes.nameserver import NameServer


def names_in_hosts_file() -> list[tuple[str, str]]:
    """Address and name, but for localhost, which no resolver asks DNS for (RFC 6761)."""
    lines = [line.split() for line in Path("/etc/hosts").read_text().splitlines() if line.strip() and not line.startswith("#")]
    return [(line[0], name) for line in lines for name in line[1:] if "localhost" not in name and "ip6" not in name]


@pytest.fixture
async def nameserver() -> AsyncIterator[str]:
    server = NameServer()
    yield await server.start()
    server.close()


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
