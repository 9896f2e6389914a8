"""The injector's environment: read once, with a message that names the variable."""

from __future__ import annotations

import pytest

from slipstream_operator.injector.settings import BadSettings, read

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
        ({"SLIPSTREAM_SIDECAR_CPU_LIMIT": "many"}, "SLIPSTREAM_SIDECAR_CPU_LIMIT"),
        ({"SLIPSTREAM_SIDECAR_MEMORY_REQUEST": "1Gi"}, "SLIPSTREAM_SIDECAR_MEMORY_REQUEST"),
    ],
)
def test_a_bad_value_is_refused_by_name(environ: dict[str, str], name: str) -> None:
    """Before anything starts."""
    with pytest.raises(BadSettings, match=name):
        read(IMAGE | environ)
