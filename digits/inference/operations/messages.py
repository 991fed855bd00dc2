"""Dataclasses as messages, and back: written once for all requests and answers.

A field's type says how it travels.  Numbers, texts, paths, tuples, mappings and dataclasses of
those stand in the header; bytes and arrays are parts, and the header has their numbers.  What may
be large text is marked IN_A_PART.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from digits.inference.protocol import Message, ProtocolError

T = TypeVar("T")

# `Annotated[X, IN_A_PART]`: as JSON in a part, beyond the limit of a header.
IN_A_PART = "in a part"
_SCALARS = {bool: (bool,), int: (int,), float: (float, int), str: (str,)}


def to_message(value: Any, **header: Any) -> Message:
    """A dataclass as a message; `header` has what else its header is to say."""
    parts: list[bytes] = []
    return Message({**header, "values": _encoded(type(value), value, parts)}, parts)


def from_message(cls: type[T], message: Message) -> T:
    """The dataclass that a message holds; raises ProtocolError when it holds none such."""
    try:
        decoded: T = _decoded(cls, message.header["values"], message.parts)
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


def _encoded(hint: Any, value: Any, parts: list[bytes]) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return None if value is None else _encoded(_member(arguments, value), value, parts)
    if origin is Annotated:
        return _added(json.dumps(_encoded(arguments[0], value, parts)).encode(), parts)
    if hint is bytes:
        return _added(value, parts)
    if hint is Path:
        return str(value)
    if origin is np.ndarray:
        return {"part": _added(value.tobytes(), parts), "shape": list(value.shape)}
    if origin is tuple and arguments[0] is bytes:
        # One part for all: each costs a call of the system on both sides.
        return {"part": _added(b"".join(value), parts), "sizes": [len(each) for each in value]}
    if origin is tuple:
        hints = _hints_of_tuple(arguments, len(value))
        return [_encoded(each, item, parts) for each, item in zip(hints, value, strict=True)]
    if origin is Mapping:
        return {key: _encoded(arguments[1], each, parts) for key, each in value.items()}
    if hint in _SCALARS:
        return value
    return {
        name: _encoded(of_field, getattr(value, name), parts)
        for name, of_field in _fields(hint).items()
    }


def _decoded(hint: Any, value: Any, parts: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _SCALARS:
        return _scalar(hint, value)
    if origin in (Union, UnionType):
        return _decoded_member(arguments, value, parts)
    if origin is Annotated:
        return _decoded(arguments[0], json.loads(parts[value]), parts)
    if hint is bytes:
        return parts[value]
    if hint is Path:
        return Path(value)
    if origin is np.ndarray:
        (scalar,) = get_args(arguments[1])
        return np.frombuffer(parts[value["part"]], scalar).reshape(value["shape"])
    if origin is tuple and arguments[0] is bytes:
        return _cut(parts[value["part"]], value["sizes"])
    if origin is tuple:
        hints = _hints_of_tuple(arguments, len(value))
        return tuple(_decoded(each, item, parts) for each, item in zip(hints, value, strict=True))
    if origin is Mapping:
        # JSON has no keys but texts.
        return {arguments[0](k): _decoded(arguments[1], v, parts) for k, v in value.items()}
    known = _fields(hint)
    return hint(**{name: _decoded(known[name], each, parts) for name, each in value.items()})


def _added(part: bytes, parts: list[bytes]) -> int:
    parts.append(part)
    return len(parts) - 1


def _cut(joined: bytes, sizes: list[int]) -> tuple[bytes, ...]:
    ends = np.cumsum(sizes, dtype=np.int64).tolist()
    return tuple(joined[end - size : end] for end, size in zip(ends, sizes, strict=True))


def _scalar(hint: type, value: Any) -> Any:
    if not isinstance(value, _SCALARS[hint]):
        raise TypeError(f"{value!r} is no {hint.__name__}")
    return value


def _member(arguments: tuple[Any, ...], value: Any) -> Any:
    """Which type of a union a value is to be taken for: `X | None`, or `Path | bytes`."""
    known = [each for each in arguments if each is not NoneType]
    return known[0] if len(known) == 1 else bytes if isinstance(value, bytes) else Path


def _decoded_member(arguments: tuple[Any, ...], value: Any, parts: Any) -> Any:
    if value is None and NoneType in arguments:
        return None
    known = [each for each in arguments if each is not NoneType]
    hint = known[0] if len(known) == 1 else bytes if isinstance(value, int) else Path
    return _decoded(hint, value, parts)


def _hints_of_tuple(arguments: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    return arguments[:1] * count if arguments[-1] is Ellipsis else arguments


@cache
def _fields(cls: Any) -> dict[str, Any]:
    """The fields of a dataclass and their types."""
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in fields(cls)}
