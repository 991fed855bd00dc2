"""Dataclasses as messages, and back: written once for all requests and answers.

A field's type says how it travels.  Numbers, texts, paths, tuples, mappings and dataclasses of
those stand in the header; bytes and arrays are parts, and the header has their numbers.  What may
be large text is marked IN_A_PART.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from digits.inference.protocol import Message, ProtocolError

T = TypeVar("T")
Parts = list[bytes]

# `Annotated[X, IN_A_PART]`: as JSON in a part, beyond the limit of a header.
IN_A_PART = "in a part"
_SCALARS = {bool: (bool,), int: (int,), float: (float, int), str: (str,)}


def to_message(value: Any, **header: Any) -> Message:
    """A dataclass as a message; `header` has what else its header is to say."""
    parts: Parts = []
    return Message({**header, "values": _codec(type(value)).encode(value, parts)}, parts)


def from_message(cls: type[T], message: Message) -> T:
    """The dataclass that a message holds; raises ProtocolError when it holds none such."""
    try:
        decoded: T = _codec(cls).decode(message.header["values"], message.parts)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ProtocolError(f"a message is no {cls.__name__}: {error!r}") from error
    return decoded


def to_json(value: Any) -> Any:
    """A dataclass without bytes and arrays as plain JSON values."""
    message = to_message(value)
    if message.parts:
        raise TypeError(f"{type(value).__name__} has more than JSON holds")
    return message.header["values"]


def from_json(cls: type[T], values: Any) -> T:
    """The dataclass of such values; raises ProtocolError when they are of none such."""
    return from_message(cls, Message({"values": values}))


class _Codec(NamedTuple):
    """How values of a type become JSON, with bytes added to the parts; and back."""

    encode: Callable[[Any, Parts], Any]
    decode: Callable[[Any, Sequence[bytes]], Any]


def _codec(hint: Any) -> _Codec:
    """The codec of a type as it stands at a field; made once."""
    return _made_codec(hint)


@cache
def _made_codec(hint: Any) -> _Codec:
    if hint in _SCALARS:
        return _Codec(lambda value, parts: value, lambda value, parts: _checked(hint, value))
    if hint is bytes:
        return _Codec(_added, lambda value, parts: parts[value])
    if hint is Path:
        return _Codec(lambda value, parts: str(value), lambda value, parts: Path(value))
    makers: dict[Any, Callable[..., _Codec]] = {
        Union: _of_union,
        UnionType: _of_union,
        Annotated: _in_a_part,
        np.ndarray: _of_array,
        tuple: _of_tuple,
        Mapping: _of_mapping,
    }
    maker = makers.get(get_origin(hint))
    return maker(*get_args(hint)) if maker else _of_dataclass(hint)


def _of_dataclass(cls: Any) -> _Codec:
    hints = get_type_hints(cls, include_extras=True)
    codecs = {field.name: _codec(hints[field.name]) for field in fields(cls)}

    def encode(value: Any, parts: Parts) -> Any:
        return {name: codec.encode(getattr(value, name), parts) for name, codec in codecs.items()}

    def decode(values: Any, parts: Sequence[bytes]) -> Any:
        # What an older file lacks is as by default.
        return cls(**{name: codecs[name].decode(each, parts) for name, each in values.items()})

    return _Codec(encode, decode)


def _of_union(*hints: Any) -> _Codec:
    """Of `X | None`, or of `Path | bytes`: bytes are the number of their part, paths are text."""
    known = [hint for hint in hints if hint is not NoneType]
    if len(known) > 1:
        return _Codec(
            lambda value, parts: str(value) if isinstance(value, Path) else _added(value, parts),
            lambda value, parts: parts[value] if isinstance(value, int) else Path(value),
        )
    codec = _codec(known[0])
    return _Codec(
        lambda value, parts: None if value is None else codec.encode(value, parts),
        lambda value, parts: None if value is None else codec.decode(value, parts),
    )


def _in_a_part(hint: Any, _mark: str) -> _Codec:
    codec = _codec(hint)
    return _Codec(
        lambda value, parts: _added(json.dumps(codec.encode(value, parts)).encode(), parts),
        lambda value, parts: codec.decode(json.loads(parts[value]), parts),
    )


def _of_array(_shape: Any, dtype: Any) -> _Codec:
    (scalar,) = get_args(dtype)
    return _Codec(
        lambda value, parts: {"part": _added(value.tobytes(), parts), "shape": list(value.shape)},
        lambda value, parts: np.frombuffer(parts[value["part"]], scalar).reshape(value["shape"]),
    )


def _of_tuple(first: Any, *others: Any) -> _Codec:
    """Of any number of values of one type, or of a few that may differ."""
    if others[-1:] != (Ellipsis,):
        return _of_few([_codec(hint) for hint in (first, *others)])
    if first is bytes:
        return _Codec(_joined, lambda value, parts: _cut(parts[value["part"]], value["sizes"]))
    if first in _SCALARS:  # there may be thousands
        return _Codec(
            lambda value, parts: list(value), lambda values, parts: _all_checked(first, values)
        )
    codec = _codec(first)
    return _Codec(
        lambda value, parts: [codec.encode(each, parts) for each in value],
        lambda values, parts: tuple([codec.decode(each, parts) for each in values]),
    )


def _of_few(codecs: list[_Codec]) -> _Codec:
    def encode(value: Any, parts: Parts) -> Any:
        return [codec.encode(each, parts) for codec, each in zip(codecs, value, strict=True)]

    def decode(values: Any, parts: Sequence[bytes]) -> Any:
        return tuple(codec.decode(each, parts) for codec, each in zip(codecs, values, strict=True))

    return _Codec(encode, decode)


def _of_mapping(key: Any, hint: Any) -> _Codec:
    codec = _codec(hint)
    return _Codec(
        lambda value, parts: {name: codec.encode(each, parts) for name, each in value.items()},
        # JSON has no keys but texts.
        lambda value, parts: {key(name): codec.decode(each, parts) for name, each in value.items()},
    )


def _added(part: bytes, parts: Parts) -> int:
    parts.append(part)
    return len(parts) - 1


def _joined(value: tuple[bytes, ...], parts: Parts) -> Any:
    """One part for all: each costs a call of the system on both sides."""
    return {"part": _added(b"".join(value), parts), "sizes": [len(each) for each in value]}


def _cut(joined: bytes, sizes: list[int]) -> tuple[bytes, ...]:
    ends = np.cumsum(sizes, dtype=np.int64).tolist()
    return tuple(joined[end - size : end] for end, size in zip(ends, sizes, strict=True))


def _checked(hint: type, value: Any) -> Any:
    if not isinstance(value, _SCALARS[hint]):
        raise TypeError(f"{str(value)[:80]!r} is no {hint.__name__}")
    return value


def _all_checked(hint: type, values: Any) -> tuple[Any, ...]:
    allowed = _SCALARS[hint]
    if not isinstance(values, list) or not all(isinstance(value, allowed) for value in values):
        raise TypeError(f"there is more than {hint.__name__} in a list")
    return tuple(values)
