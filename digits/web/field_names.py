"""Refuse fields that nobody reads: a script that misspells one would train something else.

In: the names that a route reads.  Out: messages by field, with the nearest names that there are.
Browsers' forms carry more than a route reads, and are left alone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from flask import request
from werkzeug.datastructures import FileStorage, MultiDict

from digits.errors import FormError
from digits.web import earlier_fields
from digits.web.answers import wants_json
from digits.web.words import LONGEST_NAME_SHOWN, field_name

# What forms send beside their fields.
ALWAYS_KNOWN = frozenset({"csrf_token", "submit"})
# The epoch of a model in a list of models.
_SNAPSHOT_OF_A_JOB = re.compile(r"\d{8}-\d{6}-[0-9a-f]{1,16}-snapshot")
# A body may hold thousands; people read a few.
MOST_NAMED = 10
NEAREST = 2


def comes_from_a_script() -> bool:
    """Whether a script sends this request, and no form of our pages."""
    if request.path.endswith(".json"):
        return True
    return wants_json() and "csrf_token" not in request.form


def problems(values: MultiDict[str, object], known: Iterable[str]) -> dict[str, list[str]]:
    """What is wrong with names that are not `known`, and with values that are not built.

    Empty for a browser's form.
    """
    return unknown_ones(values, known) if comes_from_a_script() else {}


def unknown_ones(values: MultiDict[str, object], known: Iterable[str]) -> dict[str, list[str]]:
    """The same, whoever sends them."""
    names = {*known, *ALWAYS_KNOWN}
    found: dict[str, list[str]] = {}
    for name in values:
        if name in names or _SNAPSHOT_OF_A_JOB.fullmatch(name):
            continue
        messages = _of_field(name, values, names)
        if messages:
            found[field_name(name)] = messages
        if len(found) >= MOST_NAMED:
            break
    return found


def require_known(values: MultiDict[str, object], known: Iterable[str]) -> None:
    """Raise FormError with the same, for routes without a form."""
    if found := problems(values, known):
        raise FormError(found)


def _of_field(name: str, values: MultiDict[str, object], names: set[str]) -> list[str]:
    if name not in earlier_fields.NOT_BUILT:
        return [f"There is no field {field_name(name)!r} here.{_near(name, names)}"]
    texts = map(_text, values.getlist(name))
    return [message for text in texts if (message := earlier_fields.problem(name, text))]


def _text(value: object) -> str:
    return (value.filename or "") if isinstance(value, FileStorage) else str(value)


def _near(name: str, names: set[str]) -> str:
    known = sorted(names - ALWAYS_KNOWN)
    near = difflib.get_close_matches(name[:LONGEST_NAME_SHOWN].casefold(), known, NEAREST)
    return f" Did you mean {' or '.join(near)}?" if near else ""
