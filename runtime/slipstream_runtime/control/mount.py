"""The workload's ConfigMap as the kubelet mounts it: what is there now, and whether it has changed. Reads files, applies nothing.

The kubelet swaps the `..data` symlink; a plain directory (tests, standalone) changes its files. Both show in what is compared here."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from slipstream_api.sidecar import ENVELOPE_FILE, KEYS_FILE

Stamp = tuple[object, ...]


class Mounted(msgspec.Struct, frozen=True):
    """What the directory holds; None for a file that isn't there (the volume is optional)."""

    envelope: bytes | None
    keys: dict[str, str] | None
    problem: str = ""


class Mount:
    """One directory."""

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)
        self._seen: Stamp | None = None

    def changed(self) -> bool:
        """Whether anything is different since the last `read`."""
        return self._stamp() != self._seen

    def read(self) -> Mounted:
        """The files as they are; a problem is told, not raised, since the data path goes on without them."""
        self._seen = self._stamp()
        try:
            envelope = _read(self._directory / ENVELOPE_FILE)
            keys = _read(self._directory / KEYS_FILE)
        except OSError as error:
            return Mounted(None, None, f"{error.filename}: {error.strerror}")
        if keys is None:
            return Mounted(envelope, None)
        try:
            return Mounted(envelope, msgspec.json.decode(keys, type=dict[str, str]))
        except msgspec.DecodeError as error:
            return Mounted(envelope, None, f"{KEYS_FILE}: {error}")

    def _stamp(self) -> Stamp:
        return (_link(self._directory / "..data"), *(_version(self._directory / name) for name in (ENVELOPE_FILE, KEYS_FILE)))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _version(path: Path) -> tuple[int, int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (0, 0, 0)
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size)
