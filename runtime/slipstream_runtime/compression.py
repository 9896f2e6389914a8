"""The algorithms for stored bodies, and the one that a store's configuration names. Decides nothing about a body (cores/codec.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import zstandard

from slipstream_api.config import StoreConfig
from slipstream_runtime.cores.codec import MOST_BYTES, Codec

LEVEL: Final = 3  # of zstd: its own default; bench/store.py prints what the others would save and cost


def codec_of(config: StoreConfig) -> Codec | None:
    """The codec of one store; None where bodies are kept as they come."""
    return zstd(config.compression_min_bytes) if config.compression == "Zstd" else None


def zstd(min_bytes: int, level: int = LEVEL) -> Codec:
    """Frames with a checksum, so that no damage goes unseen, and without a dictionary, so that no caller's data is in another's frame."""
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True)
    return Codec(compressor.compress, _decompressor(), min_bytes)


def _decompressor() -> Callable[[bytes], bytes]:
    decompressor = zstandard.ZstdDecompressor()

    def decompress(data: bytes) -> bytes:
        try:
            if zstandard.frame_content_size(data) > MOST_BYTES:
                raise ValueError("the frame claims more than was ever compressed")
            return decompressor.decompress(data)
        except zstandard.ZstdError as error:
            raise ValueError(f"damaged frame: {error}") from error

    return decompress
