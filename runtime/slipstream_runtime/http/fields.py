"""One header line: strictly checked, classified and remembered, so that a line seen before costs one look-up. Pure.

A memo retains what it has seen, so it never learns credentials, and it bounds values per name (a trace id is new in every request)."""

from __future__ import annotations

from typing import Any, Final

from slipstream_runtime.cores.fields import CREDENTIALS, HeaderField
from slipstream_runtime.cores.freshness import Told
from slipstream_runtime.http.errors import MalformedError

TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# field-content of RFC 9110 §5.5: tab, space, visible ASCII, obs-text. CR, LF, NUL and the other controls are what smuggling is made of.
VALUE: Final = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
CONTROLS: Final = bytes(octet if octet in VALUE else 0 for octet in range(256))  # a table: what isn't VALUE is NUL
HOST: Final = b"-._~%!$&'()*+,;=:[]0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# What a field means to a proxy. ORDINARY is 0, so that `if field.kind` asks "anything to do?".
ORDINARY: Final = 0
CONTENT_LENGTH: Final = 1
TRANSFER_ENCODING: Final = 2
CONNECTION: Final = 3
HOST_FIELD: Final = 4
EXPECT: Final = 5
UPGRADE: Final = 6
HOP_BY_HOP: Final = 7  # never forwarded
DEADLINE: Final = 8  # how long the caller waits: renewed at each hop
HOP_CHALLENGE: Final = 20  # never forwarded; may ask for what authenticates the connection

# Kinds whose lines go on as they came, provided framing.declared_body believes them.
PLAIN: Final = frozenset((ORDINARY, CONTENT_LENGTH, HOST_FIELD))

KINDS: Final[dict[bytes, int]] = {
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"connection": CONNECTION,
    b"host": HOST_FIELD,
    b"expect": EXPECT,
    b"upgrade": UPGRADE,
    b"keep-alive": HOP_BY_HOP,
    b"proxy-connection": HOP_BY_HOP,
    b"proxy-authenticate": HOP_CHALLENGE,
    b"proxy-authorization": HOP_BY_HOP,
    b"proxy-authentication-info": HOP_BY_HOP,
    b"te": HOP_BY_HOP,
    b"trailer": HOP_BY_HOP,
    b"http2-settings": HOP_BY_HOP,
    b"x-envoy-expected-rq-timeout-ms": DEADLINE,
    b"x-envoy-upstream-rq-timeout-ms": DEADLINE,
}
# What Connection may say, and what a cache reads: kinds of `names`, never of a Field.
CLOSE: Final = 9
VARY: Final = 10
SET_COOKIE: Final = 11
CONTENT_RANGE: Final = 12
CACHE_CONTROL: Final = 13
EXPIRES: Final = 14
AGE: Final = 15
DATE: Final = 16
VALIDATOR: Final = 17
CONDITION: Final = 18  # that a cache may answer
LOGIN: Final = 19  # a credential that may authenticate the connection: the scanner in C looks at its scheme; of a challenge, too:
CHALLENGE: Final = 21
NAMES: Final[dict[bytes, int]] = KINDS | {
    b"close": CLOSE,
    b"vary": VARY,
    b"set-cookie": SET_COOKIE,
    b"content-range": CONTENT_RANGE,
    b"cache-control": CACHE_CONTROL,
    b"expires": EXPIRES,
    b"age": AGE,
    b"date": DATE,
    b"etag": VALIDATOR,
    b"last-modified": VALIDATOR,
    b"if-none-match": CONDITION,
    b"if-modified-since": CONDITION,
    b"authorization": LOGIN,
    b"www-authenticate": CHALLENGE,
}
# As sets of kinds, a bit each (Lines.present, and what its methods take).
FRAMED: Final = 1 << CONTENT_LENGTH | 1 << TRANSFER_ENCODING
OF_THE_HOP: Final = 1 << TRANSFER_ENCODING | 1 << CONNECTION | 1 << HOP_BY_HOP | 1 << DEADLINE | 1 << HOP_CHALLENGE
CHALLENGES: Final = 1 << CHALLENGE | 1 << HOP_CHALLENGE
GOVERNING: Final = 1 << VARY | 1 << SET_COOKIE | 1 << CONTENT_RANGE | 1 << CACHE_CONTROL | 1 << EXPIRES | 1 << AGE | 1 << VALIDATOR
SECRETS: Final = frozenset((*CREDENTIALS, b"set-cookie", b"proxy-authorization"))
MAX_LENGTHS: Final = 4  # that are remembered; where there are more, each would be a layout of its own
MAX_LENGTH_DIGITS: Final = 18  # fits int64 with room; nothing real is longer


class Field(HeaderField):
    """A checked header line as it came, and what it means to a proxy."""

    __slots__ = ("kind", "raw")

    def __init__(self, raw: bytes, name: bytes, value: bytes, kind: int) -> None:
        self.name = name  # as the base class would; its own call is a tenth of what a new line costs
        self.value = value
        self.raw: bytes = raw
        self.kind: int = kind


class LengthField(Field):
    """A Content-Length."""

    __slots__ = ("number",)

    def __init__(self, raw: bytes, name: bytes, value: bytes) -> None:
        super().__init__(raw, name, value, CONTENT_LENGTH)
        if not value.isdigit() or len(value) > MAX_LENGTH_DIGITS:
            raise MalformedError(400, "Content-Length isn't one decimal number")
        self.number = int(value)


class ConnectionField(Field):
    """A Connection; `tokens` are its options in lower case."""

    __slots__ = ("only_keep_alive", "tokens")

    def __init__(self, raw: bytes, name: bytes, value: bytes) -> None:
        super().__init__(raw, name, value, CONNECTION)
        self.tokens = frozenset(option for part in value.lower().split(b",") if (option := part.strip(b" \t")))
        if any(option.translate(None, TOKEN) for option in self.tokens):
            raise MalformedError(400, "Connection isn't a list of names")
        self.only_keep_alive: bool = len(self.tokens) == 1 and b"keep-alive" in self.tokens


class _Name:
    """What is known of a field name as it was spelt; `room` is how many more of its values may be remembered."""

    __slots__ = ("kind", "latest", "lowered", "room")

    def __init__(self, name: bytes, room: int) -> None:
        if not name or name.translate(None, TOKEN):
            raise MalformedError(400, "a header line isn't `name: value`")
        self.lowered = name.lower()
        self.kind = KINDS.get(self.lowered, ORDINARY)
        self.room = 0 if self.lowered in SECRETS else min(room, MAX_LENGTHS) if self.kind == CONTENT_LENGTH else room
        self.latest = b""  # of Date: the line that is remembered, and forgotten for the next, since none comes back


class FieldMemo:
    """Lines seen before and their fields; bounded in names, values per name and bytes."""

    __slots__ = ("_names", "known", "max_line", "max_names", "max_values", "told")

    def __init__(self, max_names: int = 256, max_values: int = 16, max_line: int = 256) -> None:
        self.known: dict[bytes, Field] = {}
        self.told: dict[bytes, Told] = {}  # what a known line says to a cache where no other does
        self._names: dict[bytes, _Name] = {}
        self.max_names = max_names
        self.max_values = max_values
        self.max_line = max_line

    def fields(self, lines: list[bytes]) -> list[Field]:
        """The fields of all `lines`; raises MalformedError."""
        if len(lines) == 1:  # what is asked of a head that is unread
            return [self.field(lines[0])]
        found: list[Any] = list(map(self.known.get, lines))
        if all(found):  # a field is true: asks by identity, where `in` would compare
            return found
        for at, field in enumerate(found):
            if field is None:
                found[at] = self.learn(lines[at])
        return found

    def field(self, raw: bytes) -> Field:
        """The field of one line; raises MalformedError."""
        return self.known.get(raw) or self.learn(raw)

    def recurs(self, raw: bytes) -> bool:
        """Whether it is remembered, and so is every other value that its name had so far. Never a Date: it is another in a second."""
        name = self._names.get(raw.partition(b":")[0])
        return name is not None and name.room > 0 and not name.latest and raw in self.known

    def learn(self, raw: bytes) -> Field:
        """The field of a line that isn't known; raises MalformedError for folding, space before the colon, controls (RFC 9112 §5)."""
        spelt, colon, value = raw.partition(b":")
        if not colon:
            raise MalformedError(400, "a header line isn't `name: value`")
        name = self._names.get(spelt) or self._learn_name(spelt)
        if b"\0" in value.translate(CONTROLS):
            raise MalformedError(400, "a header value has a control character")
        value = value.strip(b" \t")
        field = _special(raw, name, value) if name.kind else Field(raw, name.lowered, value, ORDINARY)
        if name.room and len(raw) <= self.max_line:
            if name.lowered == b"date":
                self.known.pop(name.latest, None)
                name.latest = raw
            else:
                name.room -= 1
            self.known[raw] = field
        return field

    def _learn_name(self, spelt: bytes) -> _Name:
        name = _Name(spelt, self.max_values)
        if len(self._names) < self.max_names and len(spelt) <= self.max_line:
            self._names[spelt] = name
        else:
            name.room = 0
        return name


def _special(raw: bytes, name: _Name, value: bytes) -> Field:
    if name.kind == CONTENT_LENGTH:
        return LengthField(raw, name.lowered, value)
    if name.kind == CONNECTION:
        return ConnectionField(raw, name.lowered, value)
    if name.kind == HOST_FIELD and value.translate(None, HOST):
        raise MalformedError(400, "Host isn't a host name")
    return Field(raw, name.lowered, value, name.kind)


def parse_field(raw: bytes) -> Field:
    """The field in one line that needn't be remembered; raises MalformedError."""
    return FieldMemo(max_names=0).learn(raw)
