"""Carries a command out on the pools in force: circuits held or let go, entries invalidated. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping

from slipstream_runtime.control.commands import Command, CommandResult
from slipstream_runtime.cores.generations import path_scope
from slipstream_runtime.cores.plan import CachePlan
from slipstream_runtime.cores.transition import Force
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.fields import parse_field
from slipstream_runtime.proxy.service import HttpService


def perform(command: Command, services: Mapping[str, HttpService], now: float) -> CommandResult:
    """How many circuits or pools it met."""
    chosen = [service for name, service in services.items() if command.pool in ("", name)]
    if command.op == "Invalidate":
        return CommandResult(matched=sum(_invalidate(service, command) for service in chosen))
    forced: Force = {"ForceOpen": "ForcedOpen", "ForceClosed": "ForcedClosed"}.get(command.op, "")  # type: ignore[assignment]  # of Force
    return CommandResult(matched=sum(_force(service, command, forced, now) for service in chosen))


def _force(service: HttpService, command: Command, forced: Force, now: float) -> int:
    rules = [r for r in service.config.breaker_rules if command.rule in ("", r.name) and command.policy in ("", r.policy)]
    return sum(service.circuits.force(rule.name, forced, now, command.operation) for rule in rules)


def _invalidate(service: HttpService, command: Command) -> int:
    """Of whole pools everything dies in one step; of a policy or a rule, what was stored under it; else what is named."""
    generations = service.cache.generations
    chosen = [p for p in service.router.plans if command.rule in ("", p.name) and command.policy in ("", p.rule.policy)]
    if not chosen and (command.rule or command.policy):
        return 0
    if command.tags or command.paths or command.partition:
        met = generations.bump_tags(command.tags) + len(command.paths)
        if command.paths:
            generations.bump(tuple(path_scope(path) for path in command.paths))
        partitions = _partitions(chosen, command)
        for partition in partitions:
            generations.bump_partition(partition)
        return 1 if met or partitions else 0
    if command.rule or command.policy:
        generations.bump(tuple(plan.scope for plan in chosen))
    else:
        generations.bump_everything()
    return 1


def _partitions(plans: list[CachePlan], command: Command) -> set[int]:
    """Hashes of the caller's partition, each rule's own; none where a rule is for all, or knows a caller by other lines."""
    fields = []
    for name, value in command.partition:
        try:
            fields.append(parse_field(f"{name}: {value}".encode("latin-1", "replace")))
        except MalformedError:
            return set()
    asked = [(plan, plan.reader.read(b"GET", b"/", fields)) for plan in plans if fields and not plan.interest.shared]
    return {request.partition for _, request in asked if request.bypass != "no-identity"}
