"""`slipstream circuit` and `slipstream invalidate`: commands to a running `slipstream run`. Checks names and sends; carries out nothing."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from slipstream_api.config import Pool, RuntimeConfig
from slipstream_cli import admin
from slipstream_cli.console import Exit, escape, fail, out
from slipstream_cli.inspect import Socket

Texts = list[str] | None


class State(enum.StrEnum):
    """What a circuit is to be."""

    OPEN = "open"
    CLOSED = "closed"
    RESET = "reset"


OPS = {State.OPEN: "ForceOpen", State.CLOSED: "ForceClosed", State.RESET: "Reset"}
SAID = {State.OPEN: "held open", State.CLOSED: "held closed", State.RESET: "closed, nothing counted, no longer held"}


def circuit(
    state: Annotated[State, typer.Argument(help="open, closed or reset")],
    name: Annotated[
        str, typer.Argument(metavar="POOL/RULE[/OPERATION]", help="As `slipstream top` shows them; POOL alone: all its rules.")
    ],
    socket: Socket = None,
) -> None:
    """Holds circuits of a running `slipstream run` open or closed, whatever happens, or lets them go.

    open: calls are refused at once, as if the upstream were down; its fallbacks answer. closed: calls go through, however many fail.
    reset: lets go, closed and with nothing counted; a mode that the policy forces is in force again.

    Held until reset, across reloads, until the process ends. Where a rule has a circuit for each operation, those that are still to come
    are held, too.

    Exit codes: 0 done, 1 no such circuit yet, 2 usage, no such name, or nothing runs.

    Example: slipstream circuit open memory/default

    Example: slipstream circuit reset 'memory/each/GET /episodic/recall'
    """
    place = socket or admin.default_socket()
    pool_name, _, rest = name.partition("/")
    rule_name, _, operation = rest.partition("/")
    (pool,) = _pools(_config(place), pool_name)
    rules = [rule for rule in pool.breaker_rules if not rest or rule_name == rule.name]
    if not rules:
        fail(
            f"pool {pool.name} has no breaker rule {rule_name or rest or 'at all'}: {_there_are(rule.name for rule in pool.breaker_rules)}"
        )
    if operation and rules[0].scope != "Operation":
        fail(f"rule {rule_name} has one circuit for all its operations: write {pool.name}/{rule_name}")
    matched = _send(place, {"op": OPS[state], "pool": pool.name, "rule": rule_name, "operation": operation})
    if operation and not matched:
        fail(
            f"{pool.name}/{rule_name} has no circuit for {operation} yet: {_there_are(_operations(place, pool.name, rule_name))}",
            Exit.PROBLEMS,
        )
    hint = "" if state is State.RESET else f"; let go with: slipstream circuit reset '{name}'"
    out.print(escape(f"{name}: {SAID[state]} ({matched} {'circuit' if matched == 1 else 'circuits'}){hint}"))


def invalidate(
    tag: Annotated[Texts, typer.Option("--tag", help="Answers with this tag, of any rule; several times.")] = None,
    path: Annotated[Texts, typer.Option("--path", help="Answers of this path, whatever its query; several times.")] = None,
    partition: Annotated[
        Texts,
        typer.Option(
            "--partition", metavar="NAME: VALUE", help="Answers of the caller with this header, as its rules know it; several times."
        ),
    ] = None,
    rule: Annotated[str, typer.Option("--rule", help="Answers of this cache rule.")] = "",
    policy: Annotated[str, typer.Option("--policy", help="Answers of this CachePolicy.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every answer.")] = False,
    pool: Annotated[str, typer.Option("--pool", help="Of this pool only.")] = "",
    socket: Socket = None,
) -> None:
    """Ends stored answers of a running `slipstream run`: what is asked for next is fetched anew.

    It takes no longer with a million answers than with one. Reads that are under way are answered, and not stored. With a path or a
    partition one in 1,024 unrelated answers ends too.

    Exit codes: 0 done, 1 nothing of that kind is kept, 2 usage, no such name, or nothing runs.

    Example: slipstream invalidate --tag events

    Example: slipstream invalidate --path /episodic/recall --pool memory

    Example: slipstream invalidate --partition 'X-Session-Id: me'
    """
    kinds = [bool(tag), bool(path), bool(partition), bool(rule or policy), everything]
    if sum(kinds) != 1:
        fail("say what, in one way: --tag, --path, --partition, --rule (and --policy), or --all")
    if wrong := next((one for one in path or () if not one.startswith("/") or "?" in one), None):
        fail(f"--path {wrong}: write the path alone, like /episodic/recall")
    lines = [_line(line) for line in partition or []]
    place = socket or admin.default_socket()
    _known(_pools(_config(place), pool), tag or [], rule, policy)
    command = {"op": "Invalidate", "pool": pool, "rule": rule, "policy": policy, "tags": tag or [], "paths": path or []}
    matched = _send(place, {**command, "partition": lines})
    if not matched:
        fail("nothing: no cache rule knows a caller by that, or takes it from one", Exit.PROBLEMS)
    out.print(f"invalidated in {matched} {'pool' if matched == 1 else 'pools'}")


def _known(pools: list[Pool], tags: list[str], rule: str, policy: str) -> None:
    """Fails where a name is nobody's."""
    rules = [found for pool in pools for found in pool.cache_rules]
    for kind, wanted, there in (
        ("tag", tags, {tag for found in rules for tag in found.tags}),
        ("policy", [policy] if policy else [], {found.policy for found in rules}),
        ("rule", [rule] if rule else [], {found.name for found in rules if policy in ("", found.policy)}),
    ):
        for name in wanted:
            if name not in there:
                fail(
                    f"no cache rule has the {kind} {name}: {_there_are(there)}"
                    if kind == "tag"
                    else f"no cache {kind} {name}: {_there_are(there)}"
                )


def _line(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip() or not value.strip():
        fail(f"--partition {line}: write it like 'X-Session-Id: me'")
    return name.strip(), value.strip()


def _pools(config: RuntimeConfig, name: str) -> list[Pool]:
    """That of the name, or all of them without one."""
    found = [pool for pool in config.pools if name in ("", pool.name)]
    if not found:
        fail(f"no pool {name}: {_there_are(pool.name for pool in config.pools)}")
    return found


def _there_are(names: Iterable[str]) -> str:
    return f"there are {', '.join(found)}" if (found := sorted(set(names))) else "there are none"


def _config(place: Path) -> RuntimeConfig:
    """What is in force there."""
    found = _asked(lambda: admin.get(place, "/status", {"full": "1"}))["config"]
    if found is None:
        fail("no configuration is in force there: everything passes through")
    try:
        return msgspec.convert(found, RuntimeConfig)
    except msgspec.ValidationError as error:
        fail(f"the configuration of another version, which this one can't read: {error}")


def _operations(place: Path, pool: str, rule: str) -> list[str]:
    status = _asked(lambda: admin.get(place, "/status"))
    circuits = [circuit for found in status["pools"] if found["name"] == pool for circuit in found.get("circuits", [])]
    return [circuit["operation"] for circuit in circuits if circuit["rule"] == rule]


def _send(place: Path, command: dict[str, Any]) -> int:
    return int(_asked(lambda: admin.post(place, "/commands", command))["matched"])


def _asked(ask: Any) -> Any:
    try:
        return ask()
    except (admin.NotRunning, ValueError) as error:
        fail(str(error))
