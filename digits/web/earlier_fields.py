"""Fields that scripts of DIGITS 2 to 6 send and that are not built here.

Such a script sends most of them with the value that means "off" there, or with what this program
does anyway (`framework=caffe`): that is taken.  Any other value asks for something that would not
be done, so it is refused.

Elsewhere: names that nobody knows (`field_names.py`), fields that are built (each kind's form).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from digits.web.words import shown, yes_or_no


@dataclass(frozen=True)
class NotBuilt:
    """A field that is known: whether a value changes nothing, and what to send instead."""

    is_off: Callable[[str], bool]
    instead: str


def _words(*words: str) -> NotBuilt:
    """Off with one of these words, or empty."""
    off = frozenset({*words, ""})
    return NotBuilt(lambda text: text.casefold() in off, f"send {words[0]}" if words else "")


def _number(*numbers: float) -> NotBuilt:
    """Off with one of these numbers, however they are written, or empty."""

    def is_off(text: str) -> bool:
        try:
            return not text or float(text) in numbers
        except ValueError:
            return False

    return NotBuilt(is_off, f"send {numbers[0]:g}")


_EMPTY = _words()
_NO = NotBuilt(lambda text: yes_or_no(text) is False, "send n")

NOT_BUILT: Mapping[str, NotBuilt] = {
    # Datasets.
    "compression": _words("none"),
    **{
        f"s3_{name}": _EMPTY
        for name in ("endpoint_url", "bucket", "path", "accesskey", "secretkey")
    },
    "s3_keepcopiesondisk": _NO,
    "s3_pct_val": _number(25, 0),
    "s3_pct_test": _number(0),
    "s3_train_min_per_class": _number(2),
    "s3_train_max_per_class": _EMPTY,
    # Models.
    "framework": _words("caffe"),
    # Caffe reads a database in its order, there as here.
    "shuffle": NotBuilt(lambda text: yes_or_no(text) is not None, "send n"),
    "traces_interval": _number(0),
    "python_layer_from_client": _NO,
    "python_layer_client_file": _EMPTY,
    "python_layer_server_file": _EMPTY,
    # Trying a model.
    "dont_resize": _NO,
    "view_extension_id": _EMPTY,
    "data_extension_id": _EMPTY,
}


def problem(name: str, text: str) -> str | None:
    """What is wrong with a known field's value; None when it changes nothing."""
    known = NOT_BUILT[name]
    text = text.strip()
    if known.is_off(text):
        return None
    instead = f", or {known.instead}" if known.instead else ""
    return (
        f"{name} with {shown(text)} is not built in this version of DIGITS. Leave it out{instead}."
    )
