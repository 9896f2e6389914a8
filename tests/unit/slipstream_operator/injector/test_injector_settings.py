"""The injector's environment: read once, with a message that names the variable."""

from __future__ import annotations

import pytest

from slipstream_operator.injector.settings import BadSettings, read
from slipstream_runtime.control.settings import read_settings

IMAGE = {"SLIPSTREAM_RUNTIME_IMAGE": "slipstream-runtime:dev"}


def test_the_image_is_all_that_it_needs() -> None:
    """The rest has defaults: cluster-wide, its own namespace by name."""
    settings = read(IMAGE)
    assert (settings.image, settings.namespaces, settings.system_namespace) == ("slipstream-runtime:dev", (), "slipstream-system")
    assert (settings.port, settings.health_port) == (9443, 8080)


def test_everything_can_be_said() -> None:
    """As the manifests do."""
    settings = read(
        IMAGE
        | {
            "SLIPSTREAM_NAMESPACES": "a, b,,a",
            "POD_NAMESPACE": "tools",
            "SLIPSTREAM_IMAGE_PULL_POLICY": "Never",
            "SLIPSTREAM_SIDECAR_CPU_LIMIT": "2",
            "SLIPSTREAM_SIDECAR_MEMORY_REQUEST": "200Mi",
            "SLIPSTREAM_PORT": "0",
            "SLIPSTREAM_LOG_LEVEL": "debug",
        }
    )
    assert (settings.namespaces, settings.system_namespace, settings.pull_policy) == (("a", "b"), "tools", "Never")
    assert (settings.defaults.cpu_limit, settings.defaults.memory_request, settings.port) == ("2", "200Mi", 0)
    assert settings.log_level == "DEBUG"


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"SLIPSTREAM_RUNTIME_IMAGE": " "}, "SLIPSTREAM_RUNTIME_IMAGE"),
        ({"SLIPSTREAM_IMAGE_PULL_POLICY": "Sometimes"}, "SLIPSTREAM_IMAGE_PULL_POLICY"),
        ({"SLIPSTREAM_LOG_LEVEL": "LOUD"}, "SLIPSTREAM_LOG_LEVEL"),
        ({"SLIPSTREAM_PORT": "http"}, "SLIPSTREAM_PORT"),
        ({"SLIPSTREAM_LOG_FORMAT": "xml"}, "SLIPSTREAM_LOG_FORMAT"),
        ({"SLIPSTREAM_DRAIN_SECONDS": "soon"}, "SLIPSTREAM_DRAIN_SECONDS"),
        ({"SLIPSTREAM_DRAIN_SECONDS": "-1"}, "SLIPSTREAM_DRAIN_SECONDS"),
        ({"SLIPSTREAM_HEALTH_PORT": "70000"}, "SLIPSTREAM_HEALTH_PORT"),
        ({"SLIPSTREAM_SIDECAR_ACCESS_LOG": "all"}, "SLIPSTREAM_SIDECAR_ACCESS_LOG"),
        ({"SLIPSTREAM_SIDECAR_ACCESS_LOG": "nan"}, "SLIPSTREAM_SIDECAR_ACCESS_LOG"),
        ({"SLIPSTREAM_SIDECAR_LOG_LEVEL": "loud"}, "SLIPSTREAM_SIDECAR_LOG_LEVEL"),
        ({"SLIPSTREAM_SIDECAR_MAX_CLIENTS": "1e3"}, "SLIPSTREAM_SIDECAR_MAX_CLIENTS"),
        ({"SLIPSTREAM_SIDECAR_MAX_CONNECTIONS": "-1"}, "SLIPSTREAM_SIDECAR_MAX_CONNECTIONS"),
        ({"SLIPSTREAM_SIDECAR_TRACES": "collector:4318"}, "SLIPSTREAM_SIDECAR_TRACES"),
        ({"SLIPSTREAM_SIDECAR_CPU_LIMIT": "many"}, "SLIPSTREAM_SIDECAR_CPU_LIMIT"),
        ({"SLIPSTREAM_SIDECAR_MEMORY_REQUEST": "1Gi"}, "SLIPSTREAM_SIDECAR_MEMORY_REQUEST"),
    ],
)
def test_a_bad_value_is_refused_by_name(environ: dict[str, str], name: str) -> None:
    """Before anything starts."""
    with pytest.raises(BadSettings, match=name):
        read(IMAGE | environ)


def test_what_sidecars_are_told_is_passed_on_and_nothing_else() -> None:
    """Under the names that they read; what isn't said isn't there, so that a sidecar has its own defaults."""
    told = {"TRACES": "http://collector:4318", "MAX_CONNECTIONS": "200", "ACCESS_LOG": "", "CPU_LIMIT": "2"}
    settings = read(IMAGE | {f"SLIPSTREAM_SIDECAR_{name}": value for name, value in told.items()})
    assert settings.passed == {"SLIPSTREAM_MAX_CONNECTIONS": "200", "SLIPSTREAM_TRACES": "http://collector:4318"}
    assert read(IMAGE).passed == {}


def test_a_sidecar_reads_all_that_may_be_passed_on() -> None:
    """Each under its own name, with the value that was said."""
    told = {"ACCESS_LOG": "0.5", "LOG_LEVEL": "DEBUG", "MAX_CLIENTS": "10", "MAX_CONNECTIONS": "20", "TRACES": "http://collector:4318"}
    passed = read(IMAGE | {f"SLIPSTREAM_SIDECAR_{name}": value for name, value in told.items()}).passed
    found = read_settings(passed)
    assert (found.access_log, found.log_level, found.max_clients, found.max_connections) == (0.5, "DEBUG", 10, 20)
    assert (found.traces, len(passed)) == ("http://collector:4318/v1/traces", len(told))
