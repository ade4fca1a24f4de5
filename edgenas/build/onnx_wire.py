"""Reading the protobuf messages of an ``.onnx`` file with every length checked.

A protobuf library turns each empty submessage of two bytes into an object of hundreds, so that a
hostile file of some megabytes takes gigabytes. Here messages are read as they are asked for, weights
are never copied, and the number of fields in a file is bounded. The wire format is that of
https://protobuf.dev/programming-guides/encoding/ .
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from edgenas.build.reading import printable
from edgenas.errors import UnsupportedError

LARGEST_FILE_BYTES = 2**31 - 1
MOST_FIELDS = 300_000  # in one file; networks of thousands of nodes have 100,000
MOST_NUMBERS = 65_536  # in one list that is looked at
MOST_CHARACTERS = 1_000  # of a name

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
Span = tuple[int, int]


def damaged(what: str) -> UnsupportedError:
    """The error for bytes that are no valid file."""
    return UnsupportedError(
        f"damaged or truncated .onnx file: {what}; expected a complete file as an exporter writes it"
    )


class Wire:
    """The bytes of a file, and how many fields were read so far."""

    def __init__(self, data: bytes) -> None:
        if len(data) > LARGEST_FILE_BYTES:
            raise damaged(f"it has {len(data)} bytes, more than protobuf allows")
        self.data = data
        self.fields = 0

    def varint(self, position: int, end: int) -> tuple[int, int]:
        """An unsigned number of 64 bits and the position behind it."""
        value = 0
        for shift in range(0, 70, 7):
            if position >= end:
                raise damaged(f"a number ends behind byte {end}")
            byte = self.data[position]
            position += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value & (2**64 - 1), position
        raise damaged(f"a number at byte {position} has more than ten bytes")

    def message(self, span: Span) -> Message:
        """The fields of the message between two positions."""
        return Message(self, span)

    def walk(self, span: Span) -> Iterator[tuple[int, int | Span]]:
        """Field numbers with their values: numbers, or where their bytes stand."""
        position, end = span
        while position < end:
            self.fields += 1
            if self.fields > MOST_FIELDS:
                raise damaged(f"more than {MOST_FIELDS} fields")
            key, position = self.varint(position, end)
            kind = key & 7
            if kind == _VARINT:
                value, position = self.varint(position, end)
                yield key >> 3, value
                continue
            if kind == _BYTES:
                size, position = self.varint(position, end)
            elif kind in (_FIXED32, _FIXED64):
                size = 4 if kind == _FIXED32 else 8
            else:
                raise damaged(f"a field of kind {kind} at byte {position}")
            if size > end - position:
                raise damaged(f"a field of {size} bytes at byte {position} ends behind byte {end}")
            yield key >> 3, (position, position + size)
            position += size


class Message:
    """One message: its fields by number, in the order in which they stand."""

    __slots__ = ("_fields", "wire")

    def __init__(self, wire: Wire, span: Span) -> None:
        self.wire = wire
        self._fields: dict[int, list[int | Span]] = {}
        for number, value in wire.walk(span):
            self._fields.setdefault(number, []).append(value)

    def has(self, field: int) -> bool:
        """Whether the field stands in the message."""
        return field in self._fields

    def spans(self, field: int) -> list[Span]:
        """Where the bytes of a repeated field stand."""
        return [value for value in self._fields.get(field, ()) if isinstance(value, tuple)]

    def messages(self, field: int) -> Iterator[Message]:
        """A repeated message."""
        return (Message(self.wire, span) for span in self.spans(field))

    def message(self, field: int) -> Message | None:
        """A message of which there is one; the last if there are several."""
        spans = self.spans(field)
        return Message(self.wire, spans[-1]) if spans else None

    def integer(self, field: int, default: int = 0) -> int:
        """A signed number."""
        values = [value for value in self._fields.get(field, ()) if isinstance(value, int)]
        return _signed(values[-1]) if values else default

    def number(self, field: int, default: float = 0.0) -> float:
        """A float32."""
        spans = [span for span in self.spans(field) if span[1] - span[0] == 4]
        return float(struct.unpack_from("<f", self.wire.data, spans[-1][0])[0]) if spans else default

    def text(self, field: int) -> str:
        """The start of a text; empty if there is none."""
        spans = self.spans(field)
        return self._text(spans[-1]) if spans else ""

    def texts(self, field: int) -> tuple[str, ...]:
        """A repeated text."""
        return tuple(self._text(span) for span in self.spans(field))

    def _text(self, span: Span) -> str:
        start, end = span
        return printable(self.wire.data[start : min(end, start + MOST_CHARACTERS)])

    def integers(self, field: int) -> tuple[int, ...]:
        """Signed numbers, packed or one by one."""
        found: list[int] = []
        for value in self._fields.get(field, ()):
            if isinstance(value, int):
                found.append(_signed(value))
                continue
            position, end = value
            while position < end:
                if len(found) >= MOST_NUMBERS:
                    raise damaged(f"a list of more than {MOST_NUMBERS} numbers")
                number, position = self.wire.varint(position, end)
                found.append(_signed(number))
        return tuple(found)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
