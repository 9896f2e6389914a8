"""Results as they are stored: written, read as a baseline, removed when the history lets go of them. Judges nothing."""

from __future__ import annotations

import base64
import logging
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from slipstream_api.conditions import Reason
from slipstream_loadtest.judged.alike import unlike
from slipstream_loadtest.measured.packed import unpacked
from slipstream_loadtest.measured.part import TimingsPart
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.plan.model import Plan, decode_plan
from slipstream_loadtest.report.files import MEASURED_FILE, PLAN_FILE
from slipstream_operator.errors import NotFound
from slipstream_operator.kube.client import Kube, Object
from slipstream_operator.kube.kinds import CONFIG_MAP, LOAD_TEST
from slipstream_operator.loadtests.applying.manifests import LABEL_OUTCOME, LABEL_RUN, LABEL_TEST
from slipstream_operator.loadtests.facts import LoadTestFacts
from slipstream_operator.loadtests.judging import Baseline

log = logging.getLogger(__name__)
MAX_MEASURED: Final = 600_000  # bytes in base64: leaves the document, which gets what is left, half of the ConfigMap


class Results:
    """One per process."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def baseline(self, test: LoadTestFacts, asked: Mapping[str, Any], plan: Plan) -> Baseline | None:
        """The earlier run that spec.comparison names: the last that passed and had the load of `plan`, or the one that is
        named, whether it can or not. None where there is none, or none that can be read."""
        if asked.get("baseline") == "Result":
            named = await self._get(test.namespace, str((asked.get("resultRef") or {}).get("name") or ""))
            return await self._read(test, named) if named is not None else None
        if asked.get("baseline") != "LastPassed":
            return None
        stored = [m for m in await self._stored(test) if _passed(m) and _run(m) != test.run and m["metadata"]["name"].endswith("-result")]
        for found in sorted(stored, key=_run, reverse=True):
            earlier = await self._read(test, found)
            if earlier is not None and not unlike(plan, earlier[0]):
                return earlier
        return None

    async def _read(self, test: LoadTestFacts, found: Object) -> Baseline | None:
        plan = await self._get(test.namespace, found["metadata"]["name"].removesuffix("-result") + "-plan")
        return read(found, plan) if plan is not None else None

    async def prune(self, test: LoadTestFacts, history: Iterable[Mapping[str, Any]]) -> None:
        """Removes plans and results of runs that the history has let go: of all that are stored, so that what an earlier process left
        behind goes too. A result that a comparison needs stays: the last that passed, and whatever a LoadTest names."""
        stored = await self._stored(test)
        kept = {test.run, *(int(record["run"]) for record in history)}
        passed = [_run(m) for m in stored if _passed(m) and m.get("binaryData")]
        if passed and (test.spec.get("comparison") or {}).get("baseline") == "LastPassed":
            kept.add(max(passed))
        named = await self._named(test.namespace)
        kept |= {_run(m) for m in stored if m["metadata"]["name"] in named}
        for manifest in stored:
            if _run(manifest) not in kept:
                try:
                    await self._kube.delete(CONFIG_MAP, test.namespace, manifest["metadata"]["name"], uid=manifest["metadata"]["uid"])
                except NotFound:
                    continue

    async def _stored(self, test: LoadTestFacts) -> list[Object]:
        """Plans and results of this very object: one of the same name that was deleted may still have some."""
        found = await self._kube.list(CONFIG_MAP, test.namespace, labels=f"{LABEL_TEST}={test.name}")
        return [m for m in found if any(o.get("uid") == test.uid for o in m["metadata"].get("ownerReferences") or ())]

    async def _named(self, namespace: str) -> set[str]:
        tests = await self._kube.list(LOAD_TEST, namespace)
        asked = [(t.get("spec") or {}).get("comparison") or {} for t in tests]
        return {str((a.get("resultRef") or {}).get("name")) for a in asked if a.get("baseline") == "Result"}

    async def _get(self, namespace: str, name: str) -> Object | None:
        try:
            return await self._kube.get(CONFIG_MAP, namespace, name)
        except NotFound:
            return None


def packed(result: Result) -> str:
    """The windows that are judged, as a later comparison needs them: zlib, base64. Empty where that is too large to be stored."""
    windows = tuple(msgspec.structs.replace(w, steps=tuple(_lean(s) for s in w.steps)) for w in result.windows if w.judged)
    data = msgspec.json.encode(msgspec.structs.replace(result, windows=windows), order="sorted")
    text = base64.b64encode(zlib.compress(data, 9)).decode()
    return text if len(text) <= MAX_MEASURED else ""


def read(result: Object, plan: Object) -> Baseline | None:
    """Back from the ConfigMaps; None for what isn't a result, or not one of this version."""
    try:
        known: Plan = decode_plan(plan["data"][PLAN_FILE])
        return known, unpacked(result["binaryData"][MEASURED_FILE])
    except (KeyError, ValueError, msgspec.MsgspecError) as error:
        log.warning("%s can't be compared with: %r", result["metadata"]["name"], error)
        return None


def _lean(series: Any) -> Any:
    return msgspec.structs.replace(series, slices=(), timings=TimingsPart() if series.timings is not None else None)


def _run(manifest: Object) -> int:
    return int((manifest["metadata"].get("labels") or {}).get(LABEL_RUN) or 0)


def _passed(manifest: Object) -> bool:
    return (manifest["metadata"].get("labels") or {}).get(LABEL_OUTCOME) == str(Reason.PASSED).lower()
