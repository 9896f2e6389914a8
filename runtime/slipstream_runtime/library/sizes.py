"""How many bytes a value holds, estimated; stops counting at a limit. Pure; changes nothing."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Mapping
from typing import Final

# Owned by the program rather than by a value that mentions them.
_FOREIGN: Final = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_LEAVES: Final = (bytes, str, bytearray, int, float, complex, bool, type(None))


def estimate(value: object, limit: int) -> int:
    """`sys.getsizeof` of the value and of all it is made of (containers, attributes), each object once; above `limit`: any number above."""
    total = 0
    seen: set[int] = set()
    todo: list[object] = [value]
    while todo and total <= limit:
        one = todo.pop()
        if id(one) in seen or isinstance(one, _FOREIGN):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        if not isinstance(one, _LEAVES):
            todo.extend(_parts(one))
    return total


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from value
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, Mapping):
        yield from attributes.values()
    for kind in type(value).__mro__:
        for descriptor in vars(kind).values():
            if isinstance(descriptor, types.MemberDescriptorType):  # a slot
                try:
                    yield descriptor.__get__(value, type(value))
                except AttributeError:  # not set
                    continue
