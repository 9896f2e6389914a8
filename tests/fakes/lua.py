"""Runs Lua as Argo CD does: `obj` in, {status, message} out. By the package lupa (Lua 5.1, as in Argo CD) or a lua on the path."""

from __future__ import annotations

import importlib
import shutil
import subprocess
from typing import Any

PROGRAMS = ("lua5.1", "lua5.4", "lua5.3", "lua")
REPORT = 'return health().status .. "\\n" .. tostring(health().message)'


class NoLua(Exception):  # noqa: N818 - what is missing
    """There is no interpreter: the scripts can't be tested, which must not look like a success."""


def health(script: str, thing: dict[str, Any]) -> tuple[str, str]:
    """Status and message that the script finds."""
    program = f"obj = {literal(thing)}\nlocal function health()\n{script}\nend\n"
    status, _, message = _run(program).partition("\n")
    return status, message


def _run(program: str) -> str:
    try:
        lua = importlib.import_module("lupa.lua51")
    except ImportError:
        found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
        if found is None:
            raise NoLua("install the package lupa, or Debian's lua5.4") from None
        text = program + REPORT.replace("return ", "io.write(") + ")"
        return subprocess.run([found, "-"], input=text, capture_output=True, text=True, check=True, timeout=10).stdout
    return str(lua.LuaRuntime().execute(program + REPORT))


def literal(value: Any) -> str:
    """A JSON value as a Lua expression; null is nil, which a table doesn't keep, as with Argo CD."""
    match value:
        case None:
            return "nil"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return '"' + "".join(c if c.isalnum() or c in " .,:;-_/()'" else "".join(f"\\{b:03d}" for b in c.encode()) for c in value) + '"'
        case list():
            return "{" + ", ".join(literal(item) for item in value) + "}"
        case dict():
            return "{" + ", ".join(f"[{literal(str(key))}] = {literal(item)}" for key, item in value.items()) + "}"
    raise TypeError(f"no JSON value: {value!r}")
