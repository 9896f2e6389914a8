"""kubectl as the stories use it: a thin wrapper whose failures show what was asked and answered; decides nothing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import yaml

Manifest = dict[str, Any]


class KubectlError(Exception):
    """kubectl said no; the message is what it said."""


def run(*args: str, stdin: str | None = None, timeout: float = 120.0, check: bool = True) -> subprocess.CompletedProcess[str]:
    """One kubectl command; raises KubectlError with command and stderr when it fails and `check` is set."""
    done = subprocess.run(["kubectl", *args], input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode != 0:
        raise KubectlError(f"kubectl {' '.join(args)}: exit {done.returncode}\n{done.stderr.strip()}\n{done.stdout.strip()}")
    return done


def out(*args: str, **options: Any) -> str:
    """Standard output of one command."""
    return run(*args, **options).stdout


def get(kind: str, name: str = "", namespace: str = "", selector: str = "") -> Any:
    """An object, or the list of `items` when no name is given."""
    args = ["get", kind, *([name] if name else []), "-o", "json"]
    args += ["-n", namespace] if namespace else []
    args += ["-l", selector] if selector else []
    found = json.loads(out(*args))
    return found if name else found["items"]


def exists(kind: str, name: str, namespace: str = "") -> bool:
    """Whether an object is there."""
    args = ["get", kind, name, "--ignore-not-found", "-o", "name", *(["-n", namespace] if namespace else [])]
    return bool(out(*args).strip())


def apply(manifests: Sequence[Manifest] | str, namespace: str = "", *flags: str) -> str:
    """Client-side apply, as a person would; the lines that kubectl prints."""
    text = manifests if isinstance(manifests, str) else yaml.safe_dump_all(manifests, sort_keys=False)
    return out("apply", *(["-n", namespace] if namespace else []), *flags, "-f", "-", stdin=text)


def delete(kind: str, name: str, namespace: str = "", *flags: str) -> None:
    """Deletes an object that may be gone already."""
    run("delete", kind, name, "--ignore-not-found", *(["-n", namespace] if namespace else []), *flags)


def pod_get(namespace: str, pod: str, port: int, path: str, query: Mapping[str, Any] | Sequence[tuple[str, str]] = ()) -> Any:
    """GET of a pod's own HTTP server through the API server's proxy; the JSON that it answers."""
    asked = f"?{urlencode(query, doseq=True)}" if query else ""
    return json.loads(out("get", "--raw", f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}{asked}"))


def condition(thing: Manifest, kind: str) -> Manifest:
    """The condition of that type, or an empty one."""
    conditions = thing.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {"type": kind, "status": "", "reason": "", "message": ""})
