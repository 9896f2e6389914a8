"""The optional build of the hot modules with mypyc, by SLIPSTREAM_COMPILE=1; without it the package is pure Python, and complete."""

from __future__ import annotations

import os
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
RUNTIME = "runtime/slipstream_runtime"
# One unit, so that calls between them are direct. What touches sockets by coroutines, or runs once a configuration, gains nothing; entry.py
# says why it isn't among them.
LEFT_OUT = {"addresses.py", "dialer.py", "sweep.py", "tunnel.py", "state.py", "warming.py", "entry.py", "__init__.py"}
HOT = [
    str(path.relative_to(ROOT))
    for folder in ("http", "cores", "proxy")
    for path in sorted((ROOT / RUNTIME / folder).glob("*.py"))
    if path.name not in LEFT_OUT
]


def extensions() -> list[object]:
    """The compiled modules; needs mypy and a C compiler."""
    from mypyc.build import mypycify

    return list(mypycify(["--config-file", str(ROOT / "pyproject.toml"), *HOT, f"{RUNTIME}/observe/figures.py"], opt_level="3"))


setup(ext_modules=extensions() if os.environ.get("SLIPSTREAM_COMPILE") == "1" else [])
