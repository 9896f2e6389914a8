"""The optional build of the hot modules with mypyc and of the parts in C, by SLIPSTREAM_COMPILE=1, of those in C alone by
SLIPSTREAM_COMPILE=c; without it the package is pure Python, and complete."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, setup

ROOT = Path(__file__).parent
RUNTIME = "runtime/slipstream_runtime"
# One unit, so that calls between them are direct. What touches sockets by coroutines, or runs once a configuration, gains nothing; entry.py
# says why it isn't among them.
LEFT_OUT = {
    "acceptor.py",
    "addresses.py",
    "dialer.py",
    "sockets.py",
    "trust.py",
    "sweep.py",
    "tunnel.py",
    "state.py",
    "warming.py",
    "scanner.py",
    "entry.py",
    "__init__.py",
}
HOT = [
    str(path.relative_to(ROOT))
    for folder in ("http", "cores", "proxy")
    for path in sorted((ROOT / RUNTIME / folder).glob("*.py"))
    if path.name not in {*LEFT_OUT, "__init__.py"}
]


def extensions() -> list[object]:
    """The compiled modules; needs mypy and a C compiler."""
    from mypyc.build import mypycify

    return [*mypycify(["--config-file", str(ROOT / "pyproject.toml"), *HOT, f"{RUNTIME}/observe/figures.py"], opt_level="3"), *parts_in_c()]


def parts_in_c() -> list[object]:
    """Those in C; needs a C compiler alone."""
    return [in_c("http._lines"), *([in_c("wire._wire")] if sys.platform == "linux" else [])]


def in_c(name: str) -> Extension:
    """A module of which all of a folder's C files are made: C99 and Python's headers, nothing else. SLIPSTREAM_SANITIZE=1 builds it to find
    its own errors."""
    folder = ROOT / RUNTIME / name.partition(".")[0]
    sanitize = os.environ.get("SLIPSTREAM_SANITIZE") == "1"
    flags = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"] if sanitize else ["-O3"]
    return Extension(
        f"slipstream_runtime.{name}",
        [str(path.relative_to(ROOT)) for path in sorted(folder.glob("_*.c"))],
        depends=[str(path.relative_to(ROOT)) for path in sorted(folder.glob("_*.h"))],
        extra_compile_args=["-std=c99", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers", *flags],
        extra_link_args=["-fsanitize=address,undefined"] if sanitize else [],
    )


BUILDS = {"1": extensions, "c": parts_in_c}
build = BUILDS.get(os.environ.get("SLIPSTREAM_COMPILE", ""))
setup(ext_modules=build() if build else [])
