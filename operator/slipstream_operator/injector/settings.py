"""The injector's settings from its environment, checked once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from slipstream_operator.injector.passed import BadValue, passed
from slipstream_operator.injector.resources import Defaults, amount
from slipstream_operator.names import SYSTEM_NAMESPACE

PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
QUANTITIES: Final = ("cpu_request", "cpu_limit", "memory_request", "memory_limit")


class BadSettings(ValueError):  # noqa: N818 - what they are
    """The message names the variable and what it may be."""


@dataclass(frozen=True, slots=True)
class InjectorSettings:
    """`namespaces` empty: the whole cluster. Durations in seconds."""

    image: str
    pull_policy: str = "IfNotPresent"
    namespaces: tuple[str, ...] = ()
    system_namespace: str = SYSTEM_NAMESPACE
    defaults: Defaults = field(default_factory=Defaults)
    passed: Mapping[str, str] = field(default_factory=dict)  # to every sidecar
    host: str | None = None  # every address, IPv4 and IPv6
    port: int = 9443
    health_port: int = 8080
    drain: float = 5.0  # the endpoint leaves the Service first, the server stops then
    log_level: str = "INFO"
    log_format: str = "plain"  # plain, json


def read(environ: Mapping[str, str]) -> InjectorSettings:
    """Raises BadSettings."""
    image = environ.get("SLIPSTREAM_RUNTIME_IMAGE", "").strip()
    if not image:
        raise BadSettings("SLIPSTREAM_RUNTIME_IMAGE is empty: it names the sidecar's image")
    policy = environ.get("SLIPSTREAM_IMAGE_PULL_POLICY", "IfNotPresent")
    if policy not in PULL_POLICIES:
        raise BadSettings(f"SLIPSTREAM_IMAGE_PULL_POLICY is {policy!r}: use one of {', '.join(PULL_POLICIES)}")
    level = environ.get("SLIPSTREAM_LOG_LEVEL", "INFO").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise BadSettings(f"SLIPSTREAM_LOG_LEVEL is {level!r}: use DEBUG, INFO, WARNING or ERROR")
    form = environ.get("SLIPSTREAM_LOG_FORMAT", "plain")
    if form not in ("plain", "json"):
        raise BadSettings(f"SLIPSTREAM_LOG_FORMAT is {form!r}: use plain or json")
    return InjectorSettings(
        image=image,
        pull_policy=policy,
        namespaces=tuple(dict.fromkeys(n.strip() for n in environ.get("SLIPSTREAM_NAMESPACES", "").split(",") if n.strip())),
        system_namespace=environ.get("POD_NAMESPACE") or SYSTEM_NAMESPACE,
        defaults=_defaults(environ),
        passed=_passed(environ),
        host=environ.get("SLIPSTREAM_HOST") or None,
        port=_number(environ, "SLIPSTREAM_PORT", 9443),
        health_port=_number(environ, "SLIPSTREAM_HEALTH_PORT", 8080),
        drain=_seconds(environ, "SLIPSTREAM_DRAIN_SECONDS", 5.0),
        log_level=level,
        log_format=form,
    )


def _defaults(environ: Mapping[str, str]) -> Defaults:
    given = {}
    for name in QUANTITIES:
        variable = f"SLIPSTREAM_SIDECAR_{name.upper()}"
        if variable in environ:
            if not amount(environ[variable]):
                raise BadSettings(f"{variable} is {environ[variable]!r}: use a quantity such as 100m or 128Mi")
            given[name] = environ[variable]
    defaults = Defaults(**given)
    for kind in ("cpu", "memory"):
        request, limit = amount(defaults.of(kind, "requests")), amount(defaults.of(kind, "limits"))
        if request is not None and limit is not None and request > limit:
            raise BadSettings(f"SLIPSTREAM_SIDECAR_{kind.upper()}_REQUEST is above the limit, {defaults.of(kind, 'limits')}")
    return defaults


def _passed(environ: Mapping[str, str]) -> dict[str, str]:
    try:
        return passed(environ)
    except BadValue as error:
        raise BadSettings(str(error)) from None


def _number(environ: Mapping[str, str], variable: str, default: int) -> int:
    text = environ.get(variable, str(default))
    if not text.isdigit() or int(text) > 65535:
        raise BadSettings(f"{variable} is {text!r}: use a port number")
    return int(text)


def _seconds(environ: Mapping[str, str], variable: str, default: float) -> float:
    try:
        value = float(environ.get(variable, default))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 60:
        raise BadSettings(f"{variable} is {environ[variable]!r}: use seconds, at most 60")
    return value
