"""The options of a CircuitBreaker, checked, as a rule of cores.breaker. Pure; names are the resource's, times seconds."""

from __future__ import annotations

from typing import Any, Final, TypedDict, cast

from slipstream_api import config


class CircuitOptions(TypedDict, total=False):
    """All optional; DEFAULTS says what holds otherwise."""

    failure_rate_percent: int  # opens at this share of failures; 0: never for that
    slow_call_rate_percent: int  # opens at this share of calls that took slow_call_seconds; 0: never for that
    slow_call_seconds: float
    consecutive_failures: int  # opens after so many in a row; 0: never for that
    minimum_calls: int  # fewer in the window don't open it by a rate
    window: float  # seconds that the rates are of
    window_calls: int  # instead: the last calls that the rates are of; 0: `window`
    open_seconds: float
    backoff_percent: int  # 200: each trip in a row opens it twice as long
    max_open_seconds: float
    jitter_percent: int  # shorter by up to this
    max_probes: int  # calls at once when half open
    minimum_probes: int  # results that decide
    success_rate_percent: int  # of them, to close it
    probe_seconds: float  # after which a probe that didn't end counts as failed
    mode: config.BreakerMode


DEFAULTS: Final[CircuitOptions] = {
    "failure_rate_percent": 50,
    "slow_call_rate_percent": 0,
    "slow_call_seconds": 2.0,
    "consecutive_failures": 0,
    "minimum_calls": 10,
    "window": 30.0,
    "window_calls": 0,
    "open_seconds": 60.0,
    "backoff_percent": 100,
    "max_open_seconds": 300.0,
    "jitter_percent": 0,
    "max_probes": 3,
    "minimum_probes": 3,
    "success_rate_percent": 80,
    "probe_seconds": 60.0,
    "mode": "Enforce",
}
_LEAST: Final = {
    "consecutive_failures": 0,
    "minimum_calls": 1,
    "window_calls": 0,
    "backoff_percent": 100,
    "max_probes": 1,
    "minimum_probes": 1,
}
_MODES: Final = ("Enforce", "Shadow", "ForcedOpen", "ForcedClosed")


def complete(options: CircuitOptions) -> CircuitOptions:
    """With the defaults; raises TypeError and ValueError that name the option."""
    unknown = sorted(set(options) - set(DEFAULTS))
    if unknown:
        raise TypeError(f"unknown options {unknown}; known are {sorted(DEFAULTS)}")
    all_of_it = cast("CircuitOptions", {**DEFAULTS, **options})
    given: dict[str, Any] = dict(all_of_it)
    if given["mode"] not in _MODES:
        raise ValueError(f"mode={given['mode']!r}: one of {_MODES} is due")
    for name, value in given.items():
        if name.endswith("_percent") and name != "backoff_percent" and not 0 <= value <= 100:
            raise ValueError(f"{name}={value!r}: 0 to 100 is due")
        if name in _LEAST and value < _LEAST[name]:
            raise ValueError(f"{name}={value!r}: {_LEAST[name]} or more is due")
        if isinstance(DEFAULTS.get(name), float) and not 0 < value < float("inf"):
            raise ValueError(f"{name}={value!r}: a positive number of seconds is due")
    return all_of_it


def rule(name: str, options: CircuitOptions) -> config.BreakerRule:
    """Of `complete` options."""
    return config.BreakerRule(
        name=name,
        policy=name,
        mode=options["mode"],
        window=config.Window(
            type="Count" if options["window_calls"] else "Time",
            duration_ms=_ms(options["window"]),
            calls=options["window_calls"] or 1,
            minimum_calls=options["minimum_calls"],
        ),
        trip=config.Trip(
            failure_rate_percent=options["failure_rate_percent"],
            slow_call_rate_percent=options["slow_call_rate_percent"],
            slow_call_duration_ms=_ms(options["slow_call_seconds"]),
            consecutive_failures=options["consecutive_failures"],
        ),
        open=config.Open(
            duration_ms=_ms(options["open_seconds"]),
            backoff_percent=options["backoff_percent"],
            max_duration_ms=_ms(max(options["max_open_seconds"], options["open_seconds"])),
            jitter_percent=options["jitter_percent"],
        ),
        half_open=config.HalfOpen(
            max_probes=options["max_probes"],
            minimum_probes=options["minimum_probes"],
            success_rate_percent=options["success_rate_percent"],
        ),
    )


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1_000))
