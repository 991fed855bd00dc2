"""Walk over protobuf's wire format in place, without making messages or copies.

A file of weights is a few kilobytes of structure around hundreds of megabytes of numbers: this
finds the structure, and where the numbers lie.  Source: protobuf's encoding of messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_SIZES = {FIXED64: 8, FIXED32: 4}


class Field(NamedTuple):
    """One field: its number, wire type, value (of a varint), and where it and its content lie."""

    number: int
    kind: int
    value: int
    content: memoryview
    raw: memoryview


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message in their order; ValueError where it is cut or no message."""
    position, size = 0, len(message)
    while position < size:
        start = position
        tag, position = read_varint(message, position)
        number, kind = tag >> 3, tag & 7
        value, length = 0, 0
        if kind == VARINT:
            value, position = read_varint(message, position)
        elif kind == BYTES:
            length, position = read_varint(message, position)
        elif kind in _SIZES:
            length = _SIZES[kind]
        else:
            raise ValueError(f"byte {start} of {size} starts no field")
        end = position + length
        if number == 0 or end > size:
            raise ValueError(f"field {number} goes on to byte {end}, but there are only {size}")
        yield Field(number, kind, value, message[position:end], message[start:end])
        position = end


def read_varint(message: memoryview, position: int) -> tuple[int, int]:
    """The variable-length integer at `position` and where it ends."""
    value = shift = 0
    while True:
        if position >= len(message) or shift > 63:
            raise ValueError(f"the number at byte {position} is cut")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def varint(value: int) -> bytes:
    """A variable-length integer."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(number: int, kind: int = BYTES) -> bytes:
    """The bytes that start a field."""
    return varint(number << 3 | kind)
