"""Addresses, ports and names by which a pod reaches an upstream through its sidecar."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstream_api import addresses as a


@given(st.text("abcdefghij-", min_size=1, max_size=20), st.text("abcdefghij-.", min_size=1, max_size=40))
def test_an_address_is_usable_and_always_the_same(namespace: str, host: str) -> None:
    """Within 127.64.0.0/10, no network or broadcast look-alike, a function of the names alone."""
    address = a.loopback_address(namespace, host)
    assert ipaddress.ip_address(address) in a.NETWORK
    assert address.rsplit(".", 1)[1] not in ("0", "255")
    assert address == a.loopback_address(namespace, host.upper())


def test_hosts_and_namespaces_have_addresses_of_their_own() -> None:
    """10,000 hosts: hardly any two share one."""
    assert len({a.loopback_address("default", f"host-{i}") for i in range(10_000)}) > 9_980
    assert a.loopback_address("a", "memory") != a.loopback_address("b", "memory")
    assert a.loopback_address("a", "bc") != a.loopback_address("ab", "c")


def test_ports_of_a_host_count_from_15900() -> None:
    """In the order of the ports, whatever the order of the asking."""
    planned = a.plan_endpoints("default", [("memory", 9090), ("other", 80), ("memory", 8080), ("memory", 8080)], [("memory", 8080)])
    assert [(e.host, e.port, e.listen_port, e.alias) for e in planned] == [
        ("memory", 8080, 15900, True),
        ("memory", 9090, 15901, False),
        ("other", 80, 15900, False),
    ]
    assert planned[0].address == planned[1].address != planned[2].address


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("memory", ("memory", "memory.ns", "memory.ns.svc", "memory.ns.svc.cluster.local")),
        ("memory.ns", ("memory", "memory.ns", "memory.ns.svc", "memory.ns.svc.cluster.local")),
        ("memory.far.svc", ("memory.far", "memory.far.svc", "memory.far.svc.cluster.local")),
        ("api.example.com", ("api.example.com",)),
        ("10.0.0.1", ()),
        ("::1", ()),
        ("not a name", ()),
    ],
)
def test_aliases_are_the_names_of_the_service(host: str, names: tuple[str, ...]) -> None:
    """A Service of another namespace never takes the short name of one's own."""
    assert a.alias_names(host, "ns") == names


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("10.0.0.1", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("[::1]", False),
        ("127.1", False),
        ("010.0.0.1", False),
        ("memory", False),
        ("1.2.3.4.example.com", False),
        ("", False),
    ],
)
def test_an_address_is_told_from_a_name(host: str, is_one: bool) -> None:
    """Strictly: what some resolvers would take for an address is a name."""
    assert a.is_address(host) == is_one


def test_environment_names() -> None:
    """Dashes become underscores."""
    assert a.env_name("memory-reads") == "SLIPSTREAM_MEMORY_READS_URL"
