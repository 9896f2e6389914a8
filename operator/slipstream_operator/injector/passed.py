"""What every sidecar is told by the injector's environment: `SLIPSTREAM_SIDECAR_TRACES` there is `SLIPSTREAM_TRACES` here. Pure.

Checked before a pod is created with it: a sidecar that can't read its environment ends, and its pod never starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

PREFIX: Final = "SLIPSTREAM_SIDECAR_"


class BadValue(ValueError):  # noqa: N818 - what it is
    """The message names the variable and what it may be."""


def _share(text: str) -> bool:
    try:
        return 0.0 <= float(text) <= 1.0
    except ValueError:
        return False


def _number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


KNOWN: Final[dict[str, tuple[Callable[[str], bool], str]]] = {
    "ACCESS_LOG": (_share, "a share of answers, from 0 to 1"),
    "LOG_LEVEL": (("DEBUG", "INFO", "WARNING", "ERROR").__contains__, "DEBUG, INFO, WARNING or ERROR"),
    "MAX_CLIENTS": (_number, "a number of connections"),
    "MAX_CONNECTIONS": (_number, "a number of connections, 0 for what file descriptors allow"),
    "TRACES": (_url, "the URL of a collector, like http://collector:4318"),
}


def passed(environ: Mapping[str, str]) -> dict[str, str]:
    """By the name that the sidecar reads, sorted; raises BadValue. What isn't set, or is empty, isn't passed on."""
    found = {}
    for name, (fits, what) in KNOWN.items():
        text = environ.get(PREFIX + name, "")
        if text and not fits(text):
            raise BadValue(f"{PREFIX}{name} is {text!r}: use {what}")
        if text:
            found[f"SLIPSTREAM_{name}"] = text
    return found
