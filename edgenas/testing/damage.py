"""Damaged files: what readers of model files must answer in one line, without a crash or a hang."""

from __future__ import annotations

import random
import struct

_SIZES = (0, 1, 127, 128, 255, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1)


def damaged_file(model: bytes, other: bytes, rng: random.Random) -> bytes:
    """A file that was cut, spliced, or changed in places.

    Args:
        model: A whole file.
        other: Another whole file, parts of which are put into it.
        rng: Decides on the damage.
    """
    kind = rng.random()
    if kind < 0.1:
        return model[: rng.randrange(len(model))]
    if kind < 0.25:
        return _spliced(model, other, rng)
    data = bytearray(model)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        place = rng.randrange(len(data))
        if kind < 0.55:
            data[place] ^= 1 << rng.randrange(8)
        elif kind < 0.75:
            data[place] = rng.randrange(256)
        else:
            _overwrite(data, place, rng)
    return bytes(data)


def _spliced(model: bytes, other: bytes, rng: random.Random) -> bytes:
    """Bytes of another file in place of some, removed or doubled ones."""
    start = rng.randrange(len(model))
    end = min(len(model), start + rng.choice((1, 4, 16, 256)))
    source = rng.randrange(len(other))
    filling = rng.choice((b"", other[source : source + end - start], model[start:end] * 2))
    return model[:start] + filling + model[end:]


def _overwrite(data: bytearray, place: int, rng: random.Random) -> None:
    """An extreme size, as FlatBuffers (four bytes) or protobuf (a varint) would hold it."""
    size = rng.choice(_SIZES)
    if rng.random() < 0.5:
        place -= place % 4
        written = struct.pack("<I", size)
    else:
        parts = []
        while size > 127:
            parts.append(size & 127 | 128)
            size >>= 7
        written = bytes([*parts, size])
    data[place : place + len(written)] = written[: len(data) - place]
