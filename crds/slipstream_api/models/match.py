"""What a rule is about: the match language that cache, breaker and query policies share. Declarations only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstream_api.models.fields import SET, Model, Name, Path, Token, map_of

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class HttpMatch(Model):
    """HTTP requests, by method and by exactly one form of path."""

    methods: Annotated[tuple[Method, ...], Field(max_length=7, json_schema_extra=SET)] = Field(
        default=(), description="Methods that match; empty means every method."
    )
    path: Path | None = Field(default=None, description="Matches this path exactly, without its query.")
    path_prefix: Path | None = Field(default=None, description="Matches this path and what lies below it, by whole segments.")
    path_template: Path | None = Field(
        default=None, description="Matches a path whose segments in braces may be anything, like /users/{id}/orders."
    )


class McpMatch(Model):
    """MCP requests, by method and tool."""

    methods: Annotated[tuple[Token, ...], Field(max_length=16, json_schema_extra=SET)] = Field(
        default=(), description="JSON-RPC methods that match, like tools/call; empty means every method."
    )
    tools: Annotated[tuple[Token, ...], Field(max_length=64, json_schema_extra=SET)] = Field(
        default=(), description="Tools that match a tools/call; empty means every tool."
    )


class SqlMatch(Model):
    """SQL statements, by class and by the tables that they touch."""

    statements: Annotated[
        tuple[Literal["Select", "Insert", "Update", "Delete", "Other"], ...], Field(max_length=5, json_schema_extra=SET)
    ] = Field(default=(), description="Classes of statements that match; empty means every class.")
    tables: Annotated[tuple[Token, ...], Field(max_length=64, json_schema_extra=SET)] = Field(
        default=(), description="Tables of which a statement touches at least one; empty means any."
    )


class Match(Model):
    """Which operations a rule is about: of one protocol."""

    http: HttpMatch | None = Field(default=None, description="Matches HTTP requests.")
    mcp: McpMatch | None = Field(default=None, description="Matches MCP requests.")
    sql: SqlMatch | None = Field(default=None, description="Matches SQL statements.")


class TargetRef(Model):
    """A pool in the policy's own namespace."""

    group: Literal["slipstream.dev"] = Field(description="API group of the target: slipstream.dev.")
    kind: Literal["ConnectionPool"] = Field(description="Kind of the target: ConnectionPool.")
    name: Name = Field(description="Name of the target, in the namespace of the policy.")


TargetRefs = Annotated[tuple[TargetRef, ...], Field(min_length=1, max_length=16, json_schema_extra=map_of("group", "kind", "name"))]
