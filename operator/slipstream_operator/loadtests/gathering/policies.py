"""Which policies a run measures: a record of each, and how two sets of records differ. Pure; what is in force is others' to say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from slipstream_api.conditions import Reason, Type, find
from slipstream_operator.kube.kinds import CONNECTION_POOL
from slipstream_operator.loadtests.asking.runkey import spec_digest
from slipstream_operator.policies import PolicyEntry

MAX_POLICIES: Final = 32  # in a status; beyond that neither recorded nor compared
OF_SPECS: Final = frozenset(
    {Reason.ENFORCED, Reason.INVALID, Reason.CONFLICTED, Reason.DISABLED, Reason.SHADOWED, Reason.OVERRIDDEN, Reason.PARTIALLY_ENFORCED}
)
"""States that follow from the policies. Others follow from pods, the runners' own among them, and come and go without an edit."""

Record = Mapping[str, Any]


def record(entry: PolicyEntry) -> dict[str, Any]:
    """A policy by generation, digest and state: `Enforced`, or the reason why it isn't."""
    spec = entry.spec.model_dump(by_alias=True, mode="json") if entry.spec is not None else {}
    return {
        "kind": entry.kind,
        "name": entry.name,
        "generation": entry.generation,
        "hash": spec_digest(spec),
        "state": str(Reason.INVALID if entry.problem else _state(entry)),
    }


def records(entries: Iterable[PolicyEntry]) -> list[dict[str, Any]]:
    """Of all of them, in one order."""
    return sorted(map(record, entries), key=lambda one: (one["kind"], one["name"]))[:MAX_POLICIES]


def pool_of(known: Iterable[Record]) -> str:
    """The pool that these are the policies of; empty where they say nothing of one."""
    return next((str(one["name"]) for one in known if one["kind"] == CONNECTION_POOL.kind), "")


def changes(before: Iterable[Record], after: Iterable[Record]) -> list[str]:
    """What differs, in words: policies that came, went, were edited, or began or ceased to be in force by an edit of another one."""
    then, now = ({(one["kind"], one["name"]): one for one in several} for several in (before, after))
    found = [f"{kind} {name} is gone" for kind, name in then if (kind, name) not in now]
    found += [f"{kind} {name} is new" for kind, name in now if (kind, name) not in then]
    for key in (key for key in then if key in now):
        (what, old, new) = (" ".join(key), then[key], now[key])
        if (old["generation"], old.get("hash")) != (new["generation"], new.get("hash")):
            found.append(f"{what} was of generation {old['generation']}, is of {new['generation']}")
        elif old.get("state") != new.get("state") and {old.get("state"), new.get("state")} <= OF_SPECS:
            found.append(f"{what} was {old['state']}, is {new['state']}")
    return found


def _state(entry: PolicyEntry) -> str:
    conditions = entry.status.get("conditions") or ()
    for type_ in (Type.ACCEPTED, Type.ENFORCED, Type.PROGRAMMED):
        said = find(conditions, type_)
        if said is None or said.get("observedGeneration") != entry.generation:
            return Reason.PENDING
        if said["status"] != "True":
            return str(said["reason"])
    return Reason.ENFORCED
