"""Measured windows of a run as they lie beside its report: JSON of a Result, zlib, base64. Reads them back; judges nothing."""

from __future__ import annotations

import base64
import zlib
from typing import Final

import msgspec

from slipstream_loadtest.measured.result import READABLE_RESULTS, Result

MAX_UNPACKED: Final = 64 << 20  # bytes: users may write ConfigMaps, so nothing in one is believed


class NotPacked(ValueError):  # noqa: N818 - names what it is
    """Something that isn't what a run measured, or not of this version; the message says what it is instead."""


def unpacked(text: str) -> Result:
    """The judged windows, without figures over time and phases of calls. Raises NotPacked."""
    try:
        inflater = zlib.decompressobj()
        data = inflater.decompress(base64.b64decode(text, validate=True), MAX_UNPACKED)
        if not inflater.eof:
            raise NotPacked(f"it isn't whole or larger than {MAX_UNPACKED} bytes")
        found = msgspec.json.decode(data, type=Result)
    except (ValueError, zlib.error, msgspec.MsgspecError) as error:
        raise NotPacked(str(error)) from None
    if found.version not in READABLE_RESULTS:
        raise NotPacked(f"it is of version {found.version}, this one reads {sorted(READABLE_RESULTS)}")
    return found
