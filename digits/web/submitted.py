"""What a request has sent: a browser's form, curl's, or a JSON body with the same names.

In: the present request.  Out: its values, and FormError for what is none.  Elsewhere: forms
(`forms.py`), names that nobody reads (`field_names.py`).
"""

from __future__ import annotations

import codecs
from typing import Any

from flask import request
from werkzeug.datastructures import (
    CombinedMultiDict,
    FileStorage,
    ImmutableMultiDict,
    MultiDict,
)

from digits.errors import FormError
from digits.web.field_names import require_known
from digits.web.words import field_name

BYTE_ORDER_MARK = "\ufeff"
ONE_VALUE = "A list was sent in JSON; this takes one value."
A_VALUE = "Send a text, a number, true, false, null, or a list of them."


class JsonFlag(str):
    """true or false of a JSON body: a word for a box, and no text for anything else."""

    __slots__ = ()

    @property
    def is_false(self) -> bool:
        return self == "false"


def submitted_values() -> Any:
    """The values and uploads of this request, from a form or a JSON object.

    In JSON, true and false stand for a box that is ticked or not; null, and false elsewhere, for a
    field that is not sent.  Raises FormError when a JSON body is no object, or holds one.
    """
    if not request.is_json:
        _require_text(request.form)
        return CombinedMultiDict([request.files, _without_marks(request.form)])
    try:
        values = _json_values()
        _require_text(values)
        return ImmutableMultiDict(_without_marks(values))
    except RecursionError:
        raise FormError(
            {
                "json": [
                    "The body is nested too deeply: values are texts, numbers, true, "
                    "false, null, or lists of them."
                ]
            }
        ) from None


def unmarked(text: str) -> str:
    """A text without the byte order mark that nobody sees."""
    return text.lstrip(BYTE_ORDER_MARK) if text.startswith(BYTE_ORDER_MARK) else text


def text_of(upload: FileStorage) -> str:
    """What a file holds that was sent for a text: UTF-8, or UTF-16 when it says so."""
    data = upload.read()
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return unmarked(data.decode("utf-16" if is_utf_16 else "utf-8", "replace"))


def _without_marks(values: MultiDict[str, str]) -> MultiDict[str, str]:
    """The values without the byte order marks that some editors put before a text."""
    if not any(value.startswith(BYTE_ORDER_MARK) for _, value in values.items(multi=True)):
        return values
    return MultiDict((name, unmarked(value)) for name, value in values.items(multi=True))


def single_value(name: str) -> str:
    """The field `name` of this request as a text; empty when it is not sent.

    Raises FormError for a list of them.
    """
    value = submitted_values().get(name, "")
    if name in lists_in_json():
        raise FormError({name: [ONE_VALUE]})
    if isinstance(value, FileStorage) or (isinstance(value, JsonFlag) and value.is_false):
        return ""
    return str(value)


def require_fields(*names: str) -> None:
    """Raise FormError for a script's fields that are none of `names`, in routes without a form."""
    require_known(submitted_values(), names)


def lists_in_json() -> frozenset[str]:
    """The names of the fields that a JSON body sends as lists."""
    body = request.get_json(silent=True) if request.is_json else None
    if not isinstance(body, dict):
        return frozenset()
    return frozenset(name for name, value in body.items() if isinstance(value, list))


def _require_text(values: MultiDict[str, str]) -> None:
    """Raise FormError for what looks like text and is none: half characters, and NULs."""
    for name, value in values.items(multi=True):
        if "\0" in value:
            raise FormError({field_name(name): ["The text contains a NUL character; remove it."]})
        try:
            f"{name}{value}".encode()
        except UnicodeEncodeError:
            message = "The text contains half a character (a lone surrogate); remove it."
            raise FormError({field_name(name): [message]}) from None


def _json_values() -> MultiDict[str, Any]:
    """The values of a JSON body.  Raises FormError, and RecursionError for one nested deeply."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise FormError({"json": ["The body is not a JSON object of field names and values."]})
    values: MultiDict[str, Any] = MultiDict()
    for name, value in body.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, bool):
                values.add(name, JsonFlag("true" if item else "false"))
            elif isinstance(item, list | dict):
                kind = "a list" if isinstance(item, list) else "an object"
                raise FormError({field_name(name): [f"The value is {kind} in JSON. {A_VALUE}"]})
            elif item is not None:
                values.add(name, str(item))
    return values
