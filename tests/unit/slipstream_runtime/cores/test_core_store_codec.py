"""Compressed bodies: which ones, what they count, and that a damaged one is a miss."""

from __future__ import annotations

import os
import zlib

import pytest

from slipstream_api import config
from slipstream_runtime.compression import codec_of, zstd
from slipstream_runtime.cores.codec import MOST_BYTES, Codec, compressible
from slipstream_runtime.cores.store import Store, entry_size
from tests.fakes.cores import Cached

NOW = 1_000.0
HEAD = len(b"HTTP/1.1 200 OK")
BODY = b'{"id": 1, "text": "the same again"}' * 300


def compressing(min_bytes: int = 100) -> Cached:
    cached = Cached()
    cached.store = Store(cached.store.config, zstd(min_bytes))
    return cached


def test_a_body_comes_back_as_it_was_and_counts_what_it_takes() -> None:
    """The bound is on memory, not on what it stands for."""
    cached = compressing()
    assert cached.put(NOW, body=BODY) == ""
    entry = cached.store.get(cached.key(), cached.plan, NOW)
    assert entry is not None
    assert entry.body == BODY
    assert len(entry.data) < len(BODY) / 10
    assert cached.store.bytes == cached.plan.counters.bytes == entry.size == entry_size(HEAD, len(entry.data))
    cached.store.drop(cached.key())
    assert cached.store.bytes == 0


@pytest.mark.parametrize("body", [b"x" * 99, os.urandom(5_000), b"", b"x" * (MOST_BYTES + 1)], ids=["small", "random", "empty", "huge"])
def test_a_body_that_would_gain_nothing_is_kept_as_it_is(body: bytes) -> None:
    """Too small, without a tenth of saving, or too large to decode in passing."""
    cached = compressing()
    cached.store.reconfigure(config.StoreConfig(name="policy", max_entry_bytes=4 << 20), zstd(100))
    cached.put(NOW, body=body)
    entry = cached.store.get(cached.key(), cached.plan, NOW)
    assert entry is not None
    assert entry.codec is None
    assert entry.body is entry.data
    assert entry.body == body


@pytest.mark.parametrize(
    ("lines", "may"),
    [
        (b"", True),
        (b"\r\nContent-Type: application/json", True),
        (b"\r\nContent-Type: image/svg+xml", True),
        (b"\r\ncontent-type:IMAGE/PNG", False),
        (b"\r\nContent-Type: video/mp4; a=b", False),
        (b"\r\nContent-Type: application/json\r\nContent-Encoding: gzip", False),
        (b"\r\nX-Content-Encoding: gzip\r\nContent-Type: text/plain", True),
    ],
)
def test_what_is_compressed_already_is_left_alone(lines: bytes, may: bool) -> None:
    """By its head; encoded answers are sent on with the same bytes that the upstream gave."""
    assert compressible(b"HTTP/1.1 200 OK" + lines) == may
    assert (zstd(1).encode(b"HTTP/1.1 200 OK" + lines, BODY) is not None) == may


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other", "claim"])
def test_a_damaged_frame_is_a_miss_and_is_forgotten(damage: str) -> None:
    """Never a broken answer, fresh or stale."""
    cached = compressing()
    cached.put(NOW, body=BODY, stale=60.0)
    entry = cached.store.peek(cached.key())
    assert entry is not None
    frame = entry.data
    middle = len(frame) // 2
    entry.data = {
        "cut": frame[:-5],
        "flip": frame[:middle] + bytes([frame[middle] ^ 1]) + frame[middle + 1 :],
        "empty": b"",
        "other": zlib.compress(BODY),
        "claim": frame[:4] + b"\xe0" + b"\xff" * 8 + frame[5:],
    }[damage]
    size = entry.size
    cached.store.bytes += size - entry_size(HEAD, len(frame))  # as if it had been put so
    assert cached.store.get(cached.key(), cached.plan, NOW) is None
    assert (len(cached.store), cached.store.damaged, cached.store.bytes) == (0, 1, 0)
    cached.put(NOW, body=BODY, stale=60.0)
    stale = cached.store.get_stale(cached.key(), cached.plan, NOW + 61)
    assert stale is not None  # control: an intact one stands in
    assert stale.body == BODY
    stale.data = frame[:-5]
    assert cached.store.get_stale(cached.key(), cached.plan, NOW + 61) is None


def test_a_hit_decodes_once_though_it_asks_twice() -> None:
    """To check and to send; another frame is decoded anew."""
    asked: list[bytes] = []
    codec = Codec(lambda body: body[:1], lambda data: asked.append(data) or data * 200, 1)  # type: ignore[func-returns-value]  # records
    one, other = codec.encode(b"", b"a" * 200), codec.encode(b"", b"b" * 200)
    assert one is not None
    assert other is not None
    assert codec.intact(one)
    assert codec.decode(one) == b"a" * 200
    assert codec.decode(other) == b"b" * 200
    assert asked == [b"a", b"b"]
    assert (codec.encoded, codec.saved) == (2, 398)


def test_a_reload_that_changes_the_compression_keeps_what_is_stored() -> None:
    """Each entry knows what made it."""
    cached = compressing()
    cached.put(NOW, body=BODY)
    cached.store.reconfigure(cached.store.config, codec_of(config.StoreConfig(name="policy")))
    entry = cached.store.get(cached.key(), cached.plan, NOW)
    assert entry is not None
    assert entry.body == BODY
    cached.put(NOW, body=BODY)
    entry = cached.store.get(cached.key(), cached.plan, NOW)
    assert entry is not None
    assert entry.codec is None


def test_a_store_compresses_where_its_configuration_says_so() -> None:
    """Not by default."""
    assert codec_of(config.StoreConfig(name="policy")) is None
    codec = codec_of(config.StoreConfig(name="policy", compression="Zstd", compression_min_bytes=5_000))
    assert codec is not None
    assert codec.encode(b"", BODY[:4_999]) is None
    assert codec.encode(b"", BODY[:5_000]) is not None
