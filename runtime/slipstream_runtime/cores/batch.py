"""What of a read goes into a batch, how the batch is asked for, and which part of its answer is whose. Pure; gathers nobody.

An item is only taken where it has one spelling (unreserved characters of RFC 3986), so that no upstream can see another one in it, nor
a further one; every other read goes by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from slipstream_api import config

MAX_ITEM: Final = 128  # characters
MAX_ITEMS_BYTES: Final = 4_096  # of all items of a batch in a query, so that the target stays below what servers take (8 kB)
MAX_ANSWER: Final = 16 << 20  # bytes of a batch's answer
_ITEM: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")


class BatchItem:
    """One read's: the item, and what it has in common with those it may be batched with."""

    __slots__ = ("path", "rest", "value")

    def __init__(self, value: str, path: str, rest: bytes) -> None:
        self.value = value
        self.path = path  # of the batch endpoint
        self.rest = rest  # the query, without the item


class BatchPlan:
    """The batch endpoint of one rule. Raises ValueError where the rule doesn't fit together."""

    __slots__ = ("_list", "_place", "_places", "batch", "max_bytes", "max_size", "max_wait")

    def __init__(self, rule: config.CacheRule, batch: config.Batch) -> None:
        self.batch = batch
        self.max_size: int = batch.max_size
        self.max_wait: float = batch.max_wait_ms / 1_000
        self.max_bytes: int = MAX_ITEMS_BYTES if batch.items_in != "Body" else batch.max_size * MAX_ITEM
        self._list: tuple[str, ...] = tuple(batch.answers.split(".")) if batch.answers else ()
        template = rule.match.path[1:].split("/") if rule.match.path_kind == "Template" else []
        variables = {piece: place for place, piece in enumerate(template) if piece[:1] == "{"}
        self._place: int = variables.get("{" + batch.item + "}", -1)
        if batch.item_in == "Path" and self._place < 0:
            raise ValueError(f"rule {rule.name}: the batch's item {batch.item} is no variable of the path template")
        # Of the endpoint's path: by place, where in the read's path a variable is found; -1 for what stands as it is.
        self._places: list[tuple[str, int]] = []
        for piece in batch.path[1:].split("/"):
            if piece[:1] == "{" and (piece not in variables or variables[piece] == self._place):
                raise ValueError(f"rule {rule.name}: the batch's path has the variable {piece}, which the path template doesn't give it")
            self._places.append((piece, variables.get(piece, -1)))

    def item(self, path: str, target: bytes) -> BatchItem | None:
        """What a read of `target` would be in a batch; None: it goes by itself."""
        batch = self.batch
        rest = target.partition(b"?")[2]
        pieces = path[1:].split("/")
        if batch.item_in == "Path":
            value = pieces[self._place]
        else:
            found, kept = _parted(rest, batch.item.encode())
            if len(found) != 1:
                return None
            value, rest = found[0], kept
        if not (_INTEGER if batch.item_type == "Integer" else _ITEM).fullmatch(value):
            return None
        if rest and batch.items_in != "Body" and _names(rest, batch.items.encode()):
            return None  # it would be taken for an item
        filled = [piece if place < 0 else pieces[place] for piece, place in self._places]
        return BatchItem(value, "/" + "/".join(filled), rest)

    def target(self, item: BatchItem, values: Sequence[str]) -> bytes:
        """Path and query of the batch, for a group that `item` is of."""
        batch = self.batch
        query = [item.rest] if item.rest else []
        if batch.items_in == "Query":
            query.append(f"{batch.items}={','.join(values)}".encode())
        elif batch.items_in == "RepeatedQuery":
            query += [f"{batch.items}={value}".encode() for value in values]
        path = item.path.encode()
        return path + b"?" + b"&".join(query) if query else path

    def body(self, values: Sequence[str]) -> bytes:
        """Of the batch; empty where the items are in its query."""
        batch = self.batch
        if batch.items_in != "Body":
            return b""
        items: list[Any] = [int(value) for value in values] if batch.item_type == "Integer" else list(values)
        return msgspec.json.encode({batch.items: items} if batch.items else items)

    def split(self, values: Sequence[str], body: bytes) -> dict[str, bytes] | None:
        """By item, its own answer: only for items that were asked for, and without those that have none (missing, null, or twice there).
        None where the answer isn't what the rule says."""
        batch = self.batch
        try:
            raw: Any = msgspec.Raw(body)
            for name in self._list:
                raw = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])[name]
            if batch.answers_by == "Key":
                found = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
                pairs = [(value, found[value]) for value in values if value in found]
            else:
                listed = msgspec.json.decode(raw, type=list[msgspec.Raw])
                if batch.answers_by == "Id":
                    wanted = set(values)
                    pairs = [(value, one) for one in listed if (value := self._id(one)) in wanted]
                elif len(listed) == len(values):
                    pairs = list(zip(values, listed, strict=True))
                else:
                    return None
        except (msgspec.DecodeError, KeyError):
            return None
        return _unambiguous(pairs)

    def _id(self, one: Any) -> str:
        """The item that a member of the list says it is; empty where it doesn't."""
        try:
            value = msgspec.json.decode(msgspec.json.decode(one, type=dict[str, msgspec.Raw])[self.batch.id_field])
        except (msgspec.DecodeError, KeyError):
            return ""
        return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, bytes]:
    answers: dict[str, bytes] = {}
    twice: set[str] = set()
    for value, raw in pairs:
        if value in answers:
            twice.add(value)
        answers[value] = bytes(raw)
    return {value: answer for value, answer in answers.items() if value not in twice and answer != b"null"}


def _parted(query: bytes, name: bytes) -> tuple[list[str], bytes]:
    """The values of the parameter `name`, and the query without it."""
    own: list[bytes] = []
    kept: list[bytes] = []
    for piece in query.split(b"&"):
        (own if piece.partition(b"=")[0] == name else kept).append(piece)
    return [piece.partition(b"=")[2].decode("ascii") for piece in own], b"&".join(kept)


def _names(query: bytes, name: bytes) -> bool:
    """Whether some server might find the parameter `name` in it, however that is spelt."""
    names = [unquote_to_bytes(piece.partition(b"=")[0]) for piece in re.split(rb"[&;]", query)]
    return any(found == name or found.startswith(name + b"[") for found in names)
