"""What a job was asked for: a frozen dataclass for each kind of job, and its JSON in job.json.

In: an object of job.json, or of a script.  Out: typed fields, whose names are those of the form and
whose defaults stand in the dataclass alone; and the same JSON again.  What jobs of earlier versions
lack is filled in here, what a newer version has added is kept.

Elsewhere: the settings of a kind, and its form (beside the kind's job).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache, partial
from types import UnionType
from typing import Annotated, Any, Literal, Self, Union, cast, get_args, get_origin, get_type_hints

from digits.errors import FormError

# Beyond these a number is a slip, and printing or calculating with it would fail.
MOST_BITS = 63
LONGEST_RECEIVED = 60

Reader = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    """The settings of a job; kinds of jobs add their fields.

    A field's type is one of bool, int, float, str, a Literal of texts, `dict[str, Any]` (any
    object), `tuple[X, ...]` (a list), Any, a number with `Minimum` (`record.py`), or one of these
    `| None`, or any of them with `|` between them.
    """

    # What a newer version wrote beside what is known here.
    unknown: Mapping[str, Any] = field(default_factory=dict, repr=False)
    # Fields that the job, of an earlier version, was made without.
    absent: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The settings in an object of JSON.

        Fields that are missing get their defaults, and so do those that are null but cannot be;
        numbers and texts are read as a form would read them.  Raises FormError with every field
        that has a value of another kind, or neither value nor default.
        """
        known = _fields_of(cls)
        values: dict[str, Any] = {}
        errors: dict[str, list[str]] = {}
        for name, each in known.items():
            try:
                if (value := data.get(name)) is not None:
                    values[name] = each.read(value)
                elif name in data and each.may_be_none:
                    values[name] = None
                elif each.is_required:
                    raise ValueError("It is missing.")
            except ValueError as error:
                errors[name] = [str(error)]
        if errors:
            raise FormError(errors)
        unknown = {name: value for name, value in data.items() if name not in known}
        absent = frozenset(known.keys() - data.keys())
        return cls(**values, unknown=unknown, absent=absent)

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON.  What an earlier version left out stays out while it is usual."""
        values = {
            name: plain(getattr(self, name))
            for name, each in _fields_of(type(self)).items()
            if not self._is_left_out(name, each)
        }
        return {**values, **self.unknown}

    def changed(self) -> dict[str, Any]:
        """What differs from the defaults, as plain JSON: enough to fill in the form."""
        known = _fields_of(type(self))
        return {
            name: value
            for name, value in self.to_json().items()
            if name not in known or value != plain(known[name].default)
        }

    def _is_left_out(self, name: str, known: _JsonField) -> bool:
        is_usual = bool(getattr(self, name) == known.default)
        return is_usual and (known.is_optional or name in self.absent)


def optional() -> Any:
    """A field that is None, and not in the JSON, for jobs that it says nothing about."""
    return field(default=None, metadata={"optional": True})


def plain(value: Any) -> Any:
    """A field's value as JSON has it."""
    return [plain(item) for item in value] if isinstance(value, tuple) else value


@dataclass(frozen=True)
class _JsonField:
    """What a dataclass says of a field that stands in the JSON."""

    read: Reader
    default: Any
    may_be_none: bool
    is_required: bool
    is_optional: bool


def _fields_of(settings_type: type[JobSettings]) -> Mapping[str, _JsonField]:
    """The fields that stand in the JSON, by name."""
    # mypy takes a dataclass's type for unhashable, as its instances may be.
    return _looked_up(cast(Hashable, settings_type))


@cache
def _looked_up(settings_type: Any) -> Mapping[str, _JsonField]:
    kinds = get_type_hints(settings_type, include_extras=True)
    own = {each.name for each in fields(JobSettings)}
    return {
        each.name: _described(each, kinds[each.name])
        for each in fields(settings_type)
        if each.name not in own
    }


def _described(each: Field[Any], kind: Any) -> _JsonField:
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    may_be_none = type(None) in kinds
    readers = [_reader_of(each) for each in kinds if each is not type(None)]
    return _JsonField(
        read=readers[0] if len(readers) == 1 else partial(_either, readers),
        default=each.default,
        may_be_none=may_be_none,
        is_required=each.default is MISSING,
        is_optional="optional" in each.metadata,
    )


# Values -------------------------------------------------------------------------------------------


def _reader_of(kind: Any) -> Reader:
    """What reads a value, not null, of this kind; ValueError says what was received instead."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return partial(_list, _reader_of(arguments[0]))
    if origin is Annotated:
        return partial(_from, arguments[1].low, _reader_of(arguments[0]))
    if origin is Literal:
        return partial(_one_of, arguments)
    return _READERS[origin or kind]


def _either(readers: Sequence[Reader], value: Any) -> Any:
    for read in readers[:-1]:
        try:
            return read(value)
        except ValueError:
            continue
    return readers[-1](value)


def _list(read: Reader, value: Any) -> tuple[Any, ...]:
    if isinstance(value, list | tuple):
        return tuple(map(read, value))
    raise ValueError(f"{_received(value)} is not a list.")


def _from(low: float, read: Reader, value: Any) -> Any:
    number = read(value)
    if number < low:
        raise ValueError(f"{_received(value)} is less than {low}.")
    return number


def _one_of(choices: tuple[str, ...], value: Any) -> str:
    text = _text(value)
    if text not in choices:
        raise ValueError(f"{_received(value)} is none of {', '.join(choices)}.")
    return text


def _anything(value: Any) -> Any:
    return value


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{_received(value)} is neither true nor false.")


def _whole_number(value: Any) -> int:
    number = value
    if isinstance(value, str):
        try:
            number = int(value)
        except ValueError:
            number = None
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool):
        raise ValueError(f"{_received(value)} is not a whole number.")
    return _of_usual_size(number)


def _number(value: Any) -> float:
    number = value
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            number = None
    if isinstance(number, int) and not isinstance(number, bool):
        return _of_usual_size(number)
    if not isinstance(number, float) or not math.isfinite(number):
        raise ValueError(f"{_received(value)} is not a finite number.")
    return number


def _of_usual_size(number: int) -> int:
    if number.bit_length() > MOST_BITS:
        raise ValueError(f"A number of {number.bit_length()} bits is too large.")
    return number


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(_number(value))
    raise ValueError(f"{_received(value)} is not a text.")


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise ValueError(f"{_received(value)} is not an object.")


_READERS: Mapping[Any, Reader] = {
    bool: _flag, int: _whole_number, float: _number, str: _text, dict: _object, Any: _anything,
}  # fmt: skip


def _received(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_RECEIVED else f"{text[:LONGEST_RECEIVED]}…"
