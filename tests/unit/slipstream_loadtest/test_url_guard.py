"""Targets that no load test may be pointed at, in every spelling."""

import ipaddress

import pytest

from slipstream_loadtest.http.url_guard import check_address, check_url, parse_address

METADATA = [
    "169.254.169.254",
    "169.254.0.1",
    "2852039166",
    "0xA9FEA9FE",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.16689662",
    "0x000000a9.254.169.254",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[febf::1]",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "169.254.169.254.",
    "metadata.google.internal",
    "METADATA.google.internal.",
    "metadata",
    "instance-data",
    "100.100.100.200",
    "0.0.0.0",
    "[::]",
    "224.0.0.1",
    "255.255.255.255",
]


@pytest.mark.parametrize("host", METADATA)
def test_link_local_and_metadata_targets_are_refused(host: str):
    """Whatever a resolver takes for such an address is refused, with a reason that says what to do."""
    refused = check_url(f"http://{host}:80")
    assert refused is not None
    assert refused.reason == "TargetRefused"
    assert "name the service" in refused.message


@pytest.mark.parametrize(
    "url",
    [
        "http://memory-server:8080",
        "http://memory-server.team.svc.cluster.local",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "http://10.0.0.1",
        "http://169.253.255.255",
        "http://169.255.0.0",
        "http://169.254.example.com",
        "http://metadata.example.com",
        "https://example.com",
        "http://[fd00:ec3::1]",
        "http://[2001:db8::a9fe:a9fe]",
    ],
)
def test_other_targets_are_not_refused(url: str):
    """The negative control: neighbours of what is refused are allowed."""
    assert check_url(url) is None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://host", "http://"),
        ("http://", "names no host"),
        ("http://user:secret@host", "credentials"),
        ("http://host:99999", "can't be read"),
        ("http://host:0", "names no host"),
        ("http://1.2.3.4.5", "neither a name nor an address"),
        ("http://1.2.3.256", "neither a name nor an address"),
        ("http://0x7f.1.1.4294967296", "neither a name nor an address"),
        ("http://exa mple", "neither a name nor an address"),
        ("http://[fe80::zz]", ""),
    ],
)
def test_what_is_no_target_is_invalid(url: str, says: str):
    """A URL that can't be read is Invalid, with the fault named."""
    refused = check_url(url)
    assert refused is not None
    assert refused.reason == "Invalid"
    assert says in refused.message


def test_credentials_are_not_repeated_in_the_message():
    """A message ends up in a status that many can read."""
    refused = check_url("http://user:secret@host")
    assert refused is not None
    assert "secret" not in refused.message


@pytest.mark.parametrize("host", ["memory-server", "memory-server.team.svc", "memory.team.svc.cluster.local", "x.cluster.local."])
def test_services_of_the_cluster_are_allowed_by_the_flag(host: str):
    """Short name, .svc form and names in the domain."""
    assert check_url(f"http://{host}", cluster_domain="cluster.local") is None


@pytest.mark.parametrize("host", ["example.com", "memory.team", "10.0.0.1", "127.0.0.1", "a.b.svc.evil.com", "evilcluster.local"])
def test_everything_else_is_refused_by_the_flag(host: str):
    """Two labels may be anywhere in the world, an address can't be told; without the flag all of them pass."""
    refused = check_url(f"http://{host}", cluster_domain="cluster.local")
    assert refused is not None
    assert refused.reason == "TargetRefused"
    assert check_url(f"http://{host}") is None


def test_addresses_that_a_name_resolves_to_are_checked_alike():
    """A name may lead to a refused address: who connects asks again."""
    assert check_address(ipaddress.ip_address("169.254.169.254")) is not None
    assert check_address(ipaddress.ip_address("::ffff:169.254.169.254")) is not None
    assert check_address(ipaddress.ip_address("10.0.0.1")) is None


def test_numbers_are_read_as_the_c_library_reads_them():
    """inet_aton's forms: decimal, octal, hex, one to four parts; a name is None."""
    assert str(parse_address("127.1")) == "127.0.0.1"
    assert str(parse_address("0177.0.0.01")) == "127.0.0.1"
    assert str(parse_address("2130706433")) == "127.0.0.1"
    assert parse_address("a127.1.b") is None
