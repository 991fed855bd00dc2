"""What a `job.json` may hold: read strictly, and checked once, so that nobody has to check later.

In: a file that anybody may have written by hand, copied, or cut in half.  Out: plain JSON whose
values have the types that a class or function states, or JobUnreadable with the reason in words.

Elsewhere: what becomes of a job that cannot be read (`store.py`), what each kind of job holds
(its `settings_type`, read by `settings.py`).
"""

from __future__ import annotations

import inspect
import json
import math
import os
import re
import stat
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, cast

from digits.base.job_files import open_raw
from digits.errors import JobUnreadable

# A file that is larger is no job's; notes have 20,000 characters at most.
LARGEST_FILE = 16 * 1024 * 1024
LARGEST_NUMBER = 2**63
# The seconds of the years 1970 to 9999, which calendars can show.
LAST_MOMENT_S = 253_402_300_799.0
LONGEST_QUOTED = 60
# Ids name files in the job's folder, and stand in addresses.
_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class Minimum:
    """The smallest number that a value may be: `Annotated[int, Minimum(1)]`."""

    low: int


Count = Annotated[int, Minimum(1)]


def read_record(path: Path) -> dict[str, Any]:
    """The JSON object in a file.  Raises JobUnreadable, and OSError when it cannot be read."""
    # A named pipe would be waited for, for ever, and a device has no end.
    state = path.stat()
    if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
        raise JobUnreadable("it is a pipe or device, not a file")
    if state.st_size > LARGEST_FILE and stat.S_ISREG(state.st_mode):
        raise JobUnreadable(f"it is larger than {LARGEST_FILE // 2**20} MB")
    with open_raw(path) as file:
        content = file.readall()
    try:
        # As json.loads does, by a decoder that is made once.
        data = _DECODER.decode(content.decode(json.detect_encoding(content), "surrogatepass"))
    except RecursionError:
        raise JobUnreadable("it is nested too deeply") from None
    except ValueError as error:
        raise JobUnreadable(f"it is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise JobUnreadable(f"it holds {quoted(data)} instead of an object")
    return data


def require_plain_files(folder: Path) -> None:
    """Raise JobUnreadable when a job's folder holds a pipe, a socket or a device.

    Whoever opens one of them waits, perhaps for ever: the pages of a job would stop the server.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            # A folder's list tells the kinds of its entries, so that only links are looked up.
            if entry.is_symlink():
                is_plain = not os.path.exists(entry) or entry.is_file() or entry.is_dir()
            else:
                is_plain = entry.is_file() or entry.is_dir()
            if not is_plain:
                name = printable(Path(entry.name))
                raise JobUnreadable(f"{name} beside it is a pipe or device, not a file; remove it")


def require(value: object, kind: Any, what: str) -> None:
    """Raise JobUnreadable when a value is none of the type `kind`; `what` names it in the message.

    `kind` is a type as annotations state it: str, int, float, bool, None, unions, Literal, lists,
    mappings, TypedDict (keys that it does not know are free), and numbers with Minimum.
    """
    _kind_of(kind).require(value, what)


def require_arguments(values: Mapping[str, Any], function: Callable[..., Any], what: str) -> None:
    """Raise JobUnreadable when `values` cannot be a function's arguments by name."""
    hints, needed = _arguments(function)
    for name in needed:
        if name not in values:
            raise JobUnreadable(f"{what} lacks {name!r}")
    for name, value in values.items():
        if name not in hints:
            raise JobUnreadable(f"{what} holds {quoted(name)}, which is unknown there")
        if not hints[name].fits(value):
            hints[name].require(value, f"{what}: {name}")


def require_id(value: object, what: str) -> None:
    """Raise JobUnreadable for what cannot be the id of a job or task."""
    if not isinstance(value, str) or not _PLAIN_ID.fullmatch(value):
        raise JobUnreadable(f"{what} must be an id of letters, digits, - and _, received "
                            f"{quoted(value)}")  # fmt: skip


def require_shown(value: object, what: str) -> None:
    """Raise JobUnreadable for what is no text, or holds what cannot be sent to a browser."""
    require(value, str, what)
    try:
        str(value).encode()
    except UnicodeEncodeError:
        raise JobUnreadable(f"{what} holds half a character: {quoted(value)}") from None


def require_moment(value: object, what: str) -> None:
    """Raise JobUnreadable for what is no time in seconds since 1970."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= cast(float, value) <= LAST_MOMENT_S:
        raise JobUnreadable(f"{what} must be seconds since 1970, received {quoted(value)}")


def quoted(value: object) -> str:
    """A received value as messages quote it: short, and in ASCII."""
    text = ascii(value)
    return text if len(text) <= LONGEST_QUOTED else f"{text[:LONGEST_QUOTED]}..."


def printable(path: Path) -> str:
    """A path for logs and messages, though it may hold bytes that are no text."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _no_number(text: str) -> Any:
    raise ValueError(f"{text[:LONGEST_QUOTED]} is no number that can be used")


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_number)


class _Kind:
    """A type as annotations state it, taken apart once, since ten thousand jobs ask for it."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._check = _check_of(kind)
        # Of a TypedDict: each key, its kind, and whether it must be there.
        self._keys: list[tuple[str, _Kind, bool]] = []
        if typing.is_typeddict(kind):
            hints = typing.get_type_hints(kind, include_extras=True)
            self._keys = [
                (name, _kind_of(hint), name in kind.__required_keys__)
                for name, hint in hints.items()
            ]
        # Whether a value is one, where nothing is left to look at in its keys.
        self.fits: Callable[[object], bool] = self._is_open if self._keys else self._check

    @staticmethod
    def _is_open(_value: object) -> bool:
        return False

    def require(self, value: object, what: str) -> None:
        """Raise JobUnreadable when a value is none."""
        if not self._check(value):
            raise JobUnreadable(f"{what} must be {_in_words(self._kind)}, received {quoted(value)}")
        for name, kind, is_needed in self._keys:
            inner = cast(dict[str, Any], value)
            if name in inner:
                if not kind.fits(inner[name]):
                    kind.require(inner[name], f"{what}: {name}")
            elif is_needed:
                raise JobUnreadable(f"{what}: {name!r} is missing")


@cache
def _kind_of(kind: Any) -> _Kind:
    return _Kind(kind)


def _check_of(kind: Any) -> Callable[[Any], bool]:
    """What says whether a value is of a type, apart from the keys of a TypedDict."""
    if kind is Any:
        return lambda value: True
    if isinstance(kind, type) and typing.get_origin(kind) is None:
        return _plain_check_of(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        checks = [_check_of(each) for each in arguments]
        return lambda value: any(check(value) for check in checks)
    if origin is Literal:
        return lambda value: any(
            value is each or (value == each and type(value) is type(each)) for each in arguments
        )
    if origin is Annotated:
        is_number, lows = _check_of(arguments[0]), [each.low for each in arguments[1:]]
        return lambda value: is_number(value) and all(value >= low for low in lows)
    if origin in (list, Sequence):
        is_item = _check_of(arguments[0])
        return lambda value: isinstance(value, list) and all(map(is_item, value))
    if origin in (dict, Mapping):
        is_key, is_value = map(_check_of, arguments)
        return lambda value: (
            isinstance(value, dict)
            and all(map(is_key, value))
            and all(map(is_value, value.values()))
        )
    raise TypeError(f"a record cannot hold {kind}")


def _plain_check_of(kind: type) -> Callable[[Any], bool]:
    if kind is int or kind is float:
        numbers = (int, float) if kind is float else (int,)
        return lambda value: (
            not isinstance(value, bool)
            and isinstance(value, numbers)
            and abs(value) < LARGEST_NUMBER
        )
    wanted = dict if typing.is_typeddict(kind) else kind
    return lambda value: isinstance(value, wanted)


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false",
          list: "a list", dict: "an object", types.NoneType: "null"}  # fmt: skip


def _in_words(kind: Any) -> str:
    if isinstance(kind, type) and typing.get_origin(kind) is None:
        return _WORDS.get(kind, "an object")
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(_in_words(each) for each in arguments)
    if origin is Literal:
        return " or ".join(repr(each) for each in arguments)
    if origin is Annotated:
        return f"{_in_words(arguments[0])} from {arguments[1].low} on"
    if origin in (list, Sequence):
        return f"a list whose items are {_in_words(arguments[0])}"
    key, value = arguments
    parts = [f"keys are {_in_words(key)}"] if key is not str else []
    parts += [f"values are {_in_words(value)}"] if value is not Any else []
    return f"an object whose {' and whose '.join(parts)}" if parts else "an object"


@cache
def _arguments(function: Callable[..., Any]) -> tuple[dict[str, _Kind], tuple[str, ...]]:
    """The types of the arguments that have a name, and which of them have no default."""
    hints = typing.get_type_hints(function, include_extras=True)
    variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    named = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind not in variable and name not in ("self", "job_dir", "task_id",
                                                           "depends_on")
    }  # fmt: skip
    needed = tuple(n for n, p in named.items() if p.default is inspect.Parameter.empty)
    return {name: _kind_of(hints.get(name, Any)) for name in named}, needed
