"""Texts of Caffe's messages that are no UTF-8: each foreign byte stays the byte that it is.

Caffe does not look at the encoding of names; old files have Latin-1 in them.  Within the engine a
byte that is no UTF-8 is a character that nobody uses (U+10FE80 to U+10FEFF, for private use), so
that names stay `str`; where they leave, into text or binary files, it is that byte again.
"""

from __future__ import annotations

import codecs
import re
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from digits.caffe.formats.wire import tag, varint

AnyMessage = TypeVar("AnyMessage", bound=Message)

_FIRST = 0x10FE00  # plus the byte
_STAND_INS = re.compile(rb"\xf4\x8f[\xba\xbb][\x80-\xbf]")  # their UTF-8


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101  # asked for decoding only
    foreign = error.object[error.start : error.end]
    return "".join(chr(_FIRST + byte) for byte in foreign), error.end


codecs.register_error("caffe-bytes", _stand_in)


def decode(raw: bytes) -> str:
    """The text of these bytes; foreign ones become characters of their own."""
    return raw.decode("utf-8", "caffe-bytes")


def encode(text: str) -> bytes:
    """The bytes of a text that `decode` gave."""
    return _STAND_INS.sub(
        lambda found: bytes([ord(found[0].decode()) - _FIRST]), text.encode("utf-8")
    )


def to_wire(message: Message) -> bytes:
    """The message in protobuf's binary form."""
    raw = message.SerializeToString()
    return raw if _STAND_INS.search(raw) is None else _with_bytes(message)


def _with_bytes(message: Message) -> bytes:
    parts = []
    for field, value in message.ListFields():
        if field.type not in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE):
            alone = type(message)()
            if field.is_repeated:
                getattr(alone, field.name).extend(value)
            else:
                setattr(alone, field.name, value)
            parts.append(alone.SerializePartialToString())
            continue
        for item in value if field.is_repeated else (value,):
            content = encode(item) if isinstance(item, str) else _with_bytes(item)
            parts.append(tag(field.number) + varint(len(content)) + content)
    return b"".join(parts)


def from_wire(kind: type[AnyMessage], raw: bytes) -> AnyMessage:
    """A message from protobuf's binary form; raises DecodeError as protobuf does."""
    message = kind.FromString(raw)
    _decode_fields(message)
    return message


def _decode_fields(message: Message) -> None:
    """Let texts be `str`: protobuf answers `bytes` for those that are no UTF-8."""
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in value if field.is_repeated else (value,):
                _decode_fields(part)
        elif field.type == FieldDescriptor.TYPE_STRING:
            _decode_field(message, field, value)


def _decode_field(message: Message, field: Any, value: Any) -> None:
    if not field.is_repeated:
        if isinstance(value, bytes):
            setattr(message, field.name, decode(value))
    elif any(isinstance(item, bytes) for item in value):
        texts = [decode(item) if isinstance(item, bytes) else item for item in value]
        message.ClearField(field.name)
        getattr(message, field.name).extend(texts)
