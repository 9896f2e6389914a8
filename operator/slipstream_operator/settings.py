"""The operator's settings: flags first, then environment, then defaults; checked once, never changed. Reads nothing else."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from slipstream_api.sidecar import ADMIN_PORT
from slipstream_operator.names import SYSTEM_NAMESPACE


@dataclass(frozen=True, slots=True)
class Settings:
    """Durations in seconds."""

    namespaces: tuple[str, ...] = ()  # empty: the whole cluster
    system_namespace: str = SYSTEM_NAMESPACE  # where the operator's own Secrets and public keys are
    cluster_id: str = ""  # empty: the uid of kube-system, or with `namespaces` that of the system namespace
    health_port: int = 8080
    log_level: str = "INFO"
    log_format: str = "plain"  # plain, json

    request_timeout: float = 10.0
    workers: int = 4
    debounce: float = 0.1
    max_wait: float = 2.0
    resync: float = 600.0

    push_workers: int = 32
    push_timeout: float = 3.0
    poll_interval: float = 5.0
    admin_port: int = ADMIN_PORT

    runtime_image: str = "slipstream-runtime:dev"  # of load-test runners
    cluster_domain: str = ""  # not empty: load tests of URLs outside of it are refused

    figures_interval: float = 30.0
    grace: float = 60.0  # how long something may be missing before it counts as stalled
    key_max_age: float = 90 * 86400.0
    key_activation: float = 180.0  # a new key is published so long before it signs: volumes take up to 90 s
    key_retention: float = 86400.0  # an old key stays in the set so long after its successor began to sign

    @property
    def clusterwide(self) -> bool:
        return not self.namespaces


_FLAGS = {
    "namespaces": "--namespace",
}
_HELP = {
    "namespaces": "serve this namespace only (may be repeated); the whole cluster by default",
    "system_namespace": "where the signing keys are (default: the pod's namespace, or slipstream-system)",
    "cluster_id": "what envelopes are addressed to, besides namespace and workload; must stay the same for the cluster's life",
    "health_port": "port of /livez, /readyz and /metrics",
    "log_format": "plain or json",
    "runtime_image": "image of load-test runners",
    "cluster_domain": "refuse load tests of URLs outside of this domain (such as cluster.local); any by default",
}


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """The settings; exits with a message that names the flag where one is wrong. SLIPSTREAM_<NAME> stands for --<name>."""
    parser = argparse.ArgumentParser(prog="slipstream-operator", description="Delivers Slipstream's policies to sidecars.")
    defaults = Settings()
    for field in fields(Settings):
        default = getattr(defaults, field.name)
        flag = _FLAGS.get(field.name, "--" + field.name.replace("_", "-"))
        options: dict[str, Any] = {"dest": field.name, "help": _HELP.get(field.name, f"default: {default}")}
        if field.name == "namespaces":
            options |= {"action": "append", "default": _split(environ.get("SLIPSTREAM_NAMESPACES", ""))}
        else:
            given = environ.get(f"SLIPSTREAM_{field.name.upper()}")
            if field.name == "system_namespace" and given is None:
                given = environ.get("POD_NAMESPACE")
            options |= {"type": type(default), "default": default if given is None else given}
        parser.add_argument(flag, **options)
    values = vars(parser.parse_args(list(argv)))
    values["namespaces"] = tuple(dict.fromkeys(values["namespaces"]))
    settings = Settings(**values)
    problem = _problem(settings)
    if problem:
        parser.error(problem)
    return settings


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _problem(settings: Settings) -> str:
    for field in fields(Settings):
        value = getattr(settings, field.name)
        if isinstance(value, int | float) and value <= 0:
            return f"--{field.name.replace('_', '-')} must be more than 0, not {value}"
    if settings.log_format not in ("plain", "json"):
        return f"--log-format is plain or json, not {settings.log_format!r}"
    if settings.log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        return f"--log-level is DEBUG, INFO, WARNING or ERROR, not {settings.log_level!r}"
    return ""
