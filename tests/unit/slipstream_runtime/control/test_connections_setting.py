"""How many connections all pools may have: what is said, or what file descriptors allow."""

from __future__ import annotations

import resource

import pytest

from slipstream_runtime.control import descriptors
from slipstream_runtime.control.settings import SettingsError, read_settings


def test_the_environment_names_it() -> None:
    """0, as if nothing was said."""
    read = [read_settings(given).max_connections for given in ({}, *({"SLIPSTREAM_MAX_CONNECTIONS": text} for text in ("0", "250")))]
    assert read == [0, 0, 250]


@pytest.mark.parametrize("value", ["many", "-1", "1.5", "", "²"])
def test_what_is_no_number_is_refused_by_its_name(value: str) -> None:
    """Rather than a sidecar with another bound than its owner thinks."""
    with pytest.raises(SettingsError, match="SLIPSTREAM_MAX_CONNECTIONS"):
        read_settings({"SLIPSTREAM_MAX_CONNECTIONS": value})


def test_half_of_the_descriptors_are_for_upstreams() -> None:
    """At most ten thousand, and at least one."""
    given = (1, 256, 1_024, 1 << 20, resource.RLIM_INFINITY)
    assert [descriptors.default_connections(number) for number in given] == [1, 128, 512, 10_000, 10_000]


def test_as_many_descriptors_as_the_hard_limit_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel has another maximum it stays as it is."""
    taken: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda what: (1_024, 4_096))
    monkeypatch.setattr(resource, "setrlimit", lambda what, both: taken.append(both))
    assert (descriptors.raise_descriptors(), taken) == (4_096, [(4_096, 4_096)])

    def refuses(what: int, both: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuses)
    assert descriptors.raise_descriptors() == 1_024
