"""`slipstream explain` and `slipstream status`: what a running `slipstream run` says of a request and of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from slipstream_cli import admin
from slipstream_cli.console import escape, fail, out, table

Socket = Annotated[Path | None, typer.Option("--socket", help="Unix socket of `slipstream run`; found by itself if not given.")]
Output = Annotated[str, typer.Option("-o", "--output", help="text or json")]


def explain(
    url: Annotated[str, typer.Argument(help="URL or path of a request, like http://127.0.0.1:15900/episodic/recall?q=thread")],
    method: Annotated[str, typer.Option("-X", "--request", help="Method of the request.")] = "GET",
    header: Annotated[list[str] | None, typer.Option("-H", "--header", help="Header of the request, NAME: VALUE; several times.")] = None,
    pool: Annotated[str, typer.Option("--pool", help="Pool, when the URL doesn't tell.")] = "",
    socket: Socket = None,
) -> None:
    """Says what would happen to a request: rules, key, partition, circuit, pool, hit or miss and why. Sends nothing.

    The request is taken as curl would send it. What your client sends besides may be part of the key, like Accept-Encoding:
    add it with -H.

    Example: slipstream explain http://127.0.0.1:15900/episodic/recall?q=thread -H 'X-Session-Id: me'
    """
    story = _ask(socket, "/explain", {"method": method.upper(), "url": url, "pool": pool}, _headers(header or []))
    if isinstance(story, dict) and "error" in story:
        fail(str(story["error"]).replace("with pool:", "with --pool:"))
    out.print_json(json.dumps(story))


def status(output: Output = "text", socket: Socket = None) -> None:
    """Shows a running `slipstream run`: its pools, hit rate, circuits, connections.

    Example: slipstream status -o json
    """
    if output not in ("text", "json"):
        fail(f"-o {output}: write text or json")
    found = _ask(socket, "/status", {})
    if output == "json":
        out.print_json(json.dumps(found))
        return
    revision = found.get("revision") or "none: everything passes through"
    out.print(f"revision {escape(revision[:12])}, up {found.get('uptimeMs', 0) // 1000} s, {found.get('rssBytes', 0) >> 20} MiB")
    if most := found.get("maxConnections"):
        out.print(f"{found.get('connections', 0)} of {most} connections to upstreams")
    if rejected := found.get("rejected"):
        out.print(f"[red]refused:[/red] {escape(rejected['message'])} (the configuration before it is in force)")
    columns = ("POOL", "REQUESTS", "ERRORS", "IN USE", "IDLE", "REUSE", "HIT", "ENTRIES", "CIRCUITS")
    out.print(table("", columns, [_row(pool) for pool in found.get("pools", [])]))
    for pool in found.get("pools", []):
        if failures := pool.get("failures"):
            out.print(escape(f"{pool['name']} failed: {', '.join(f'{reason} {times}' for reason, times in failures.items())}"))
    for listener in found.get("listeners", []):
        if listener.get("state") == "Failed":
            out.print(f"[red]not listening:[/red] {escape(listener['address'])}:{listener['port']}: {escape(listener.get('error', ''))}")


def _row(pool: dict[str, Any]) -> tuple[str, ...]:
    connections = pool.get("connections", {})
    caches = pool.get("cache", [])
    hits = sum(c.get("hits", 0) for c in caches)
    asked = hits + sum(c.get("misses", 0) + c.get("coalesced", 0) for c in caches)
    circuits = ", ".join(f"{c['rule']} {c['state']}" for c in pool.get("circuits", [])) or "-"
    return (
        pool["name"],
        str(pool.get("requestsTotal", 0)),
        str(pool.get("errorsTotal", 0)),
        f"{connections.get('inUse', 0)}/{connections.get('max', 0)}",
        str(connections.get("idle", 0)),
        percent(reused(connections)),
        percent(hits / asked if asked else None),
        str(sum(c.get("entries", 0) for c in caches)),
        circuits,
    )


def reused(connections: dict[str, Any]) -> float | None:
    """Share of requests that needed no new connection; None before the first request."""
    requests = connections.get("requestsTotal", 0)
    return max(0.0, 1.0 - connections.get("openedTotal", 0) / requests) if requests else None


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _ask(socket: Path | None, url: str, query: dict[str, str], headers: dict[str, str] | None = None) -> Any:
    try:
        return admin.get(socket or admin.default_socket(), url, query, headers)
    except (admin.NotRunning, ValueError) as error:
        fail(str(error))


def _headers(lines: list[str]) -> dict[str, str]:
    found = {"accept": "*/*"}  # as curl
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            fail(f"-H {line}: write it like 'X-Session-Id: me'")
        found[name.strip().lower()] = value.strip()
    return found
