"""The ConfigMaps that a LoadTest takes data and certificates from, read by name. Changes nothing; what a key must hold the plan decides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from slipstream_api.models import LoadTestSpec
from slipstream_loadtest.plan.build import references
from slipstream_operator.kube.client import Object
from slipstream_operator.loadtests.facts import Problem
from slipstream_operator.loadtests.target import Measurable

Read = Callable[[str], Awaitable[Object | None]]
"""A ConfigMap of the test's namespace by name; None where there is none."""


async def resolved(spec: LoadTestSpec, target: Measurable | Problem, read: Read) -> Measurable | Problem:
    """The target with the texts that its plan needs, or the first reference that leads nowhere."""
    asked = references(spec)
    if isinstance(target, Problem) or not asked:
        return target
    names = sorted({name for _, name, _ in asked})
    found = dict(zip(names, await asyncio.gather(*map(read, names)), strict=True))
    texts = {}
    for path, name, key in asked:
        data = (found[name] or {}).get("data") or {}
        if found[name] is None:
            return Problem("ResolvedRefs", "ConfigMapNotFound", f"{path}: there is no ConfigMap {name}: create it or correct the name")
        if key not in data:
            known = ", ".join(sorted(data)) or "none"
            return Problem("ResolvedRefs", "KeyNotFound", f"{path}: ConfigMap {name} has no key {key}: there are {known}")
        texts[name, key] = str(data[key])
    return replace(target, config_maps=texts)
