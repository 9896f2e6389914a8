"""What a runner pod is told by its environment, checked once. Reads nothing but the mapping it is given and the plan's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from slipstream_api.envelope import Refused, load_keys, pod_audience
from slipstream_api.sidecar import ADMIN_PORT, RUNNER_PORT
from slipstream_loadtest.plan.model import Plan, decode_plan

ANYWHERE: Final = "0.0.0.0"  # noqa: S104 - the operator comes from another pod; a NetworkPolicy limits who may


class SettingsInvalid(Exception):  # noqa: N818 - names what is so
    """The pod was made wrong; the message names the variable."""


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """One runner of one run. Timeouts in seconds."""

    plan: Plan
    run: str
    index: int
    attempt: str
    audience: str
    keys: Mapping[str, Ed25519PublicKey]
    host: str = ANYWHERE
    port: int = RUNNER_PORT
    sidecar: str = f"http://127.0.0.1:{ADMIN_PORT}"
    termination_log: str = "/dev/termination-log"
    start_timeout: float = 300.0  # longer than the operator's own, which is the one to give up first
    hand_over_timeout: float = 60.0  # how long a finished part is served; after that it is in the log alone


def from_environment(environ: Mapping[str, str]) -> RunnerSettings:
    """Settings of a runner pod; raises SettingsInvalid."""
    path = _needed(environ, "SLIPSTREAM_PLAN")
    try:
        plan = decode_plan(Path(path).read_bytes())
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsInvalid(f"SLIPSTREAM_PLAN={path}: {error}") from None
    index = _number(environ, "JOB_COMPLETION_INDEX", None)
    if index >= plan.runners:
        raise SettingsInvalid(f"JOB_COMPLETION_INDEX={index}, but the plan has {plan.runners} runners")
    pod = _needed(environ, "POD_UID")
    return RunnerSettings(
        plan=plan,
        run=_needed(environ, "SLIPSTREAM_RUN"),
        index=index,
        attempt=pod,
        audience=pod_audience(
            _needed(environ, "SLIPSTREAM_CLUSTER"),
            _needed(environ, "SLIPSTREAM_NAMESPACE"),
            environ.get("SLIPSTREAM_WORKLOAD", ""),
            pod,
        ),
        keys=_keys(_needed(environ, "SLIPSTREAM_KEYS")),
        host=environ.get("SLIPSTREAM_RUNNER_HOST", ANYWHERE),
        port=_number(environ, "SLIPSTREAM_RUNNER_PORT", RUNNER_PORT),
        sidecar=environ.get("SLIPSTREAM_SIDECAR_URL", f"http://127.0.0.1:{ADMIN_PORT}"),
        termination_log=environ.get("SLIPSTREAM_TERMINATION_LOG", "/dev/termination-log"),
        start_timeout=float(_number(environ, "SLIPSTREAM_START_TIMEOUT", 300)),
        hand_over_timeout=float(_number(environ, "SLIPSTREAM_HAND_OVER_TIMEOUT", 60)),
    )


def _needed(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise SettingsInvalid(f"{name} isn't set: a runner pod is made by the operator")
    return value


def _number(environ: Mapping[str, str], name: str, default: int | None) -> int:
    text = environ.get(name, "")
    if not text and default is not None:
        return default
    if not text.isdecimal():
        raise SettingsInvalid(f"{name}={text!r} isn't a whole number")
    return int(text)


def _keys(text: str) -> dict[str, Ed25519PublicKey]:
    try:
        return load_keys(msgspec.json.decode(text, type=dict[str, str]))
    except (Refused, msgspec.MsgspecError) as error:
        raise SettingsInvalid(f"SLIPSTREAM_KEYS: {error}") from None
