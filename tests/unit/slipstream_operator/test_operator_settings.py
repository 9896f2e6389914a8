"""Settings: flags over environment over defaults, checked once, with a message that names the flag."""

from __future__ import annotations

import dataclasses

import pytest

from slipstream_operator.settings import Settings, parse


def test_defaults_are_those_of_the_class() -> None:
    """No flag, no environment."""
    assert parse([], {}) == Settings()
    assert Settings().clusterwide


def test_flags_come_before_the_environment() -> None:
    """Both before the default."""
    environ = {"SLIPSTREAM_RESYNC": "100", "SLIPSTREAM_WORKERS": "9", "SLIPSTREAM_RUNTIME_IMAGE": "r:1"}
    settings = parse(["--resync", "50"], environ)
    assert (settings.resync, settings.workers, settings.runtime_image) == (50.0, 9, "r:1")


def test_namespaces_may_be_many_and_each_once() -> None:
    """Repeated flags, or a list in the environment."""
    assert parse(["--namespace", "a", "--namespace", "b", "--namespace", "a"], {}).namespaces == ("a", "b")
    settings = parse([], {"SLIPSTREAM_NAMESPACES": "a, b,"})
    assert settings.namespaces == ("a", "b")
    assert not settings.clusterwide


def test_the_system_namespace_is_the_pods_own() -> None:
    """From the downward API, unless said otherwise."""
    assert parse([], {"POD_NAMESPACE": "mine"}).system_namespace == "mine"
    assert parse([], {"POD_NAMESPACE": "mine", "SLIPSTREAM_SYSTEM_NAMESPACE": "other"}).system_namespace == "other"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--resync", "0"], "--resync must be more than 0"),
        (["--workers", "many"], "--workers"),
        (["--log-format", "xml"], "plain or json"),
        (["--log-level", "loud"], "--log-level"),
        (["--what"], "--what"),
    ],
)
def test_a_wrong_setting_ends_with_its_name(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, as every command does."""
    with pytest.raises(SystemExit) as ended:
        parse(argv, {})
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_settings_never_change() -> None:
    """Frozen."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().workers = 5  # type: ignore[misc]  # that is the test
