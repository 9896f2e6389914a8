"""CachePolicy: which answers are stored, for whom, how long, and what ends them. Declarations only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slipstream_api.models.fields import SET, Duration, HeaderName, Model, Name, Path, Percent, Size, Token, map_of
from slipstream_api.models.match import Match, TargetRefs

PARAMETER = r"^[A-Za-z0-9._~-]+$"


class Compression(Model):
    """How stored bodies are kept in memory; what is sent is always the body as it came."""

    type: Literal["None", "Zstd"] = Field(
        default="None", description="Zstd: bodies that it makes at least a tenth smaller, unless they came with a Content-Encoding."
    )
    min_bytes: Size = Field(default="4Ki", description="A smaller body is kept as it is.")


class Storage(Model):
    """Bounds of the policy's store in each pod."""

    max_bytes: Size = Field(default="64Mi", description="Most memory for stored answers, overheads included.")
    max_entries: Annotated[int, Field(ge=1, le=10_000_000)] = Field(default=50_000, description="Most stored answers.")
    max_entry_bytes: Size = Field(default="1Mi", description="A larger answer is passed through and not stored.")
    eviction: Literal["LRU", "SIEVE"] = Field(default="LRU", description="Which answer makes room for a new one.")
    max_partition_percent: Annotated[int, Field(ge=1, le=100)] = Field(
        default=100,
        description="Most of maxBytes that one partition may have, whose own oldest answers make room beyond it; 100: no such bound. "
        "Rules with a Shared partition are exempt.",
    )
    compression: Compression = Field(default=Compression(), description="How stored bodies are kept.")


class Partition(Model):
    """Whose data a stored answer may be served to."""

    type: Literal["PerCaller", "Shared", "Header"] = Field(
        description="PerCaller: by Authorization, Cookie and MCP session. Header: by the named headers. Shared: everyone."
    )
    headers: Annotated[tuple[HeaderName, ...], Field(max_length=8, json_schema_extra=SET)] = Field(
        default=(), description="With type Header: the headers that say whose data it is; a request without any is not cached."
    )


class Key(Model):
    """What, besides method, path and partition, makes two requests the same."""

    query: Literal["All", "None"] = Field(default="All", description="Whether the query string is part of the key.")
    headers: Annotated[tuple[HeaderName, ...], Field(max_length=16, json_schema_extra=SET)] = Field(
        default=(), description="Request headers that are part of the key."
    )


class Batch(Model):
    """An endpoint of the upstream that answers many reads of a rule at once."""

    item: Annotated[str, Field(min_length=1, max_length=64, pattern=PARAMETER)] = Field(
        description="What tells the reads apart: a variable of the rule's pathTemplate, or a parameter of their query."
    )
    item_in: Literal["Path", "Query"] = Field(default="Path", description="Where a read has it; Path if not set.")
    item_type: Literal["String", "Integer"] = Field(
        default="String", description="With Integer only such reads are batched, and a JSON body has numbers; String if not set."
    )
    path: Path = Field(
        description="Path of the batch endpoint. It may have variables where it begins as the pathTemplate does, but not the item's; reads "
        "that differ in one of them are never in one batch."
    )
    items: Annotated[str, Field(max_length=64, pattern=r"^([A-Za-z0-9._~-]*)$")] = Field(
        default="ids",
        description="Name of the query parameter, or of the JSON body's member, that takes the items; ids if not set. With itemsIn Body "
        "an empty name makes the list the whole body.",
    )
    items_in: Literal["Query", "RepeatedQuery", "Body"] = Field(
        default="Query",
        description="Query: GET with ids=1,2. RepeatedQuery: GET with ids=1&ids=2. Body: POST with a JSON body. Query if not set.",
    )
    answers: Annotated[str, Field(max_length=128, pattern=r"^([A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*)?$")] = Field(
        default="", description="Member of the answer's JSON that holds the answers, like data.items; the whole body if not set."
    )
    answers_by: Literal["Order", "Id", "Key"] = Field(
        default="Order",
        description="Order: a list, one member per item, in the order asked for, null where there is none. Id: a list whose members name "
        "their item in idField. Key: an object with the items as keys. Order if not set.",
    )
    id_field: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        default="id", description="With answersBy Id: the member that names the item; id if not set."
    )
    max_size: Annotated[int, Field(ge=2, le=1000)] = Field(default=100, description="Most items of a batch; 100 if not set.")
    max_wait: Duration = Field(
        default="50ms",
        description="Longest time that a read waits for others, while a call that it could have been part of is under way; 50ms if not "
        "set. A read that is alone doesn't wait.",
    )


class CacheRule(Model):
    """Answers to store."""

    name: Name = Field(description="Name of the rule, unique among the policies of a pool.")
    match: Match = Field(description="The operations whose answers are stored.")
    ttl: Duration = Field(description="How long an answer is fresh; with upstreamDirectives Honor at most so long.")
    ttl_jitter_percent: Percent = Field(
        default=10, description="Shortens each answer's time by up to so much, so that they don't all expire at once; 10 if not set."
    )
    stale_while_revalidate: Duration | None = Field(
        default=None,
        description="How long after its time an answer is still served while a new one is fetched. The upstream's own "
        "stale-while-revalidate (Honor) can only shorten it; if not set, it is what the upstream says, at most 24h.",
    )
    stale_if_error: Duration | None = Field(
        default=None,
        description="How long after its time an answer may stand in for a failed one (fallback StaleCache). The upstream's own "
        "stale-if-error (Honor) can only shorten it; if not set, it is what the upstream says, at most 24h.",
    )
    stale_while_open: Duration | None = Field(
        default=None, description="As staleIfError, while the circuit is open; as staleIfError if not set. At least staleIfError counts."
    )
    negative_ttl: Duration = Field(
        default="0s", description="How long an answer 404 or 410 is fresh; such answers are not stored if not set."
    )
    min_latency: Duration = Field(
        default="0s", description="An answer that came faster is not worth its memory and is not stored; all are if not set."
    )
    partition: Partition = Field(default=Partition(type="PerCaller"), description="Whose data it is; PerCaller if not set.")
    key: Key = Field(default=Key(), description="What makes two requests the same besides path and partition.")
    upstream_directives: Literal["Honor", "Ignore"] = Field(
        default="Honor", description="Whether Cache-Control and its like of the upstream shorten or forbid storing; Honor if not set."
    )
    tags: Annotated[tuple[Token, ...], Field(max_length=16, json_schema_extra=SET)] = Field(
        default=(), description="Names by which invalidations end these answers."
    )
    batch: Batch | None = Field(
        default=None, description="Where many of these reads can be asked at once; none are if not set. Not in Shadow."
    )


class Invalidation(Model):
    """Operations after which stored answers are dead."""

    name: Name = Field(description="Name of the invalidation.")
    match: Match = Field(description="The operations that change data.")
    tags: Annotated[tuple[Token, ...], Field(min_length=1, max_length=16, json_schema_extra=SET)] = Field(
        default=(), description="Whatever carries one of these tags ends, when the operation starts and again when it is done."
    )
    rules: Annotated[tuple[Name, ...], Field(max_length=16, json_schema_extra=SET)] = Field(
        default=(), description="So does every answer of these rules of the policy."
    )
    paths: Annotated[tuple[Path, ...], Field(max_length=16, json_schema_extra=SET)] = Field(
        default=(),
        description="And every answer on one of these paths, whatever its query. A variable that the operation's pathTemplate has too, "
        "like {id}, stands for its value there; any other for anything, which ends all answers of each rule that could hold such a path.",
    )


class WarmHeader(Model):
    """A header of a request that is made ahead."""

    name: HeaderName = Field(description="Its name.")
    value: Annotated[str, Field(max_length=1024, pattern=r"^[!-~]([ -~]*[!-~])?$")] = Field(
        description="Its value. It is readable by whoever may read the policy: no credentials."
    )


class WarmRequest(Model):
    """A GET whose answer is fetched before anybody asks, and again before its time is over."""

    name: Name = Field(description="Name of the request.")
    path: Annotated[str, Field(min_length=1, max_length=1024, pattern=r'^/[!"$-~]*$')] = Field(
        description="Path and query, as they go upstream. A rule of this policy must take it."
    )
    headers: Annotated[tuple[WarmHeader, ...], Field(max_length=8, json_schema_extra=map_of("name"))] = Field(
        default=(), description="Headers, so that it has the key and the partition of the requests that it is for."
    )


class Warm(Model):
    """Requests that are made ahead, within a budget."""

    requests_per_second: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=5,
        description="Most such requests a second in each pod; none while the circuit isn't closed or requests wait for a connection.",
    )
    requests: Annotated[tuple[WarmRequest, ...], Field(min_length=1, max_length=256, json_schema_extra=map_of("name"))] = Field(
        description="What is fetched, in this order."
    )


class CachePolicySpec(Model):
    """Which answers of the targeted pools are stored."""

    target_refs: TargetRefs = Field(description="The pools that this policy is for.")
    mode: Literal["Enforce", "Shadow", "Disabled"] = Field(
        default="Enforce", description="Shadow counts what would have been served from the cache and changes nothing."
    )
    storage: Storage = Field(default=Storage(), description="Bounds of the store in each pod.")
    rules: Annotated[tuple[CacheRule, ...], Field(max_length=64, json_schema_extra=map_of("name"))] = Field(
        default=(), description="Answers to store; the most specific match wins."
    )
    warm: Warm | None = Field(default=None, description="Answers that are fetched before anybody asks; not in Shadow.")
    invalidations: Annotated[tuple[Invalidation, ...], Field(max_length=64, json_schema_extra=map_of("name"))] = Field(
        default=(), description="Operations that end stored answers."
    )
