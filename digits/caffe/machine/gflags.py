"""Command lines as gflags takes them, which Caffe's tools use.

One dash or two, `=` or a blank before the value, flags before or after the words, `--flag` and
`--noflag` for those that are true or false, `_` or `-` inside names.
In: arguments, and a default for each flag, whose type is the flag's.  Out: values and words.
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Mapping

from digits.caffe.errors import CaffeError

Value = str | int | bool

_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_KINDS = {str: "string", int: "int32", bool: "bool"}


class UsageError(CaffeError):
    """A command line that cannot be understood."""


def parse(
    arguments: list[str], defaults: Mapping[str, Value]
) -> tuple[dict[str, Value], list[str]]:
    """The value of every flag, and the words that are none.

    Raises UsageError for an unknown flag, and for a value that is missing or does not fit.
    """
    values, words, rest = dict(defaults), [], list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            words.append(word)
            continue
        name, value = _name_and_value(word, defaults)
        if value is None and not isinstance(defaults[name], bool):
            if not rest:
                raise UsageError(f"flag --{name} needs a value")
            value = rest.pop(0)
        values[name] = _converted(name, value, defaults[name])
    return values, words


def describe(name: str, text: str, default: Value) -> list[str]:
    """The lines of a help text on one flag, in gflags' form."""
    shown = f'"{default}"' if isinstance(default, str) else str(default).lower()
    return textwrap.wrap(
        f"-{name} ({text}) type: {_KINDS[type(default)]} default: {shown}",
        width=79,
        initial_indent="    ",
        subsequent_indent="      ",
    )


def _name_and_value(word: str, defaults: Mapping[str, Value]) -> tuple[str, str | None]:
    name, equals, value = word.lstrip("-").partition("=")
    name = name.replace("-", "_")
    if name.startswith("no") and isinstance(defaults.get(name[2:]), bool) and not equals:
        return name[2:], "false"
    if name not in defaults:
        near = difflib.get_close_matches(name, defaults, n=1)
        hint = f". Did you mean --{near[0]}?" if near else ""
        raise UsageError(f"unknown command line flag '{name}'{hint}")
    return name, value if equals else None


def _converted(name: str, value: str | None, default: Value) -> Value:
    if isinstance(default, bool):
        word = "true" if value is None else value.lower()
        if word not in _WORDS:
            raise UsageError(f"illegal value {value!r} specified for bool flag '{name}'")
        return _WORDS[word]
    if isinstance(default, int):
        try:
            return int(value or "")
        except ValueError as error:
            raise UsageError(
                f"illegal value {value!r} specified for int32 flag '{name}'"
            ) from error
    return value or ""
