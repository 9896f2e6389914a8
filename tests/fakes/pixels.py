"""Reads the pixels of a PNG as browsers write it: eight bits a channel, not interlaced. Holds no expectations."""

from __future__ import annotations

import struct
import zlib

Pixel = tuple[int, ...]


def pixels(png: bytes) -> list[Pixel]:
    """All pixels, row by row."""
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    channels = {2: 3, 6: 4}[kind]
    assert depth == 8
    data, at, packed = png, 8, b""
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        packed += data[at + 8 : at + 8 + length] if name == b"IDAT" else b""
        at += 12 + length
    raw, stride = zlib.decompress(packed), width * channels
    above, found = bytes(stride), []
    for row in range(height):
        start = row * (stride + 1)
        line = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), above, channels)
        found += [tuple(line[n : n + channels]) for n in range(0, stride, channels)]
        above = bytes(line)
    return found


def _unfiltered(kind: int, line: bytearray, above: bytes, channels: int) -> bytearray:
    for n in range(len(line)):
        left = line[n - channels] if n >= channels else 0
        corner = above[n - channels] if n >= channels else 0
        guess = (0, left, above[n], (left + above[n]) // 2, _paeth(left, above[n], corner))[kind]
        line[n] = (line[n] + guess) & 255
    return line


def _paeth(left: int, above: int, corner: int) -> int:
    distances = [(abs(left + above - corner - one), order, one) for order, one in enumerate((left, above, corner))]
    return min(distances)[2]
