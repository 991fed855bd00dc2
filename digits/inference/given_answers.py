"""Answers that a browser has been given picture by picture, and sends back to have them kept.

In: a file of JSON lines, an object with `pictures` as `classify_pictures.json` answers it on each,
and the categories.  Out: the pictures one by one, as if a network had just answered.
Whoever sent it may have sent anything: every value is looked at, and ToolError names the line.
Of a picture only the best categories are known, so the best pictures of a category are those that
have it among them.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from digits.errors import ToolError
from digits.inference.best import BestOfClasses
from digits.inference.many import ClassifiedPicture
from digits.inference.operations import TOP, Prediction

LONGEST_TEXT = 4096
LARGEST_THUMBNAIL_BYTES = 1 << 16
LARGEST_CONFIDENCE = 3e38  # as a float32 holds it
LONGEST_LINE_BYTES = 64 << 20
_JPEG_START = b"\xff\xd8\xff"

# The name of a picture, its true class, what the network said, and why it could not be read.
Answer = tuple[str, int | None, ClassifiedPicture, str]


def given_answers(path: Path, labels: Sequence[str]) -> Iterator[Answer]:
    """The answers in a file, in their order.  Raises ToolError for what is none."""
    number = 0
    with path.open("rb") as file:
        for line_number, line in enumerate(_lines(file), 1):
            for item in _pictures(line, line_number):
                try:
                    yield _answer(item, number, labels)
                except (KeyError, TypeError, ValueError, OverflowError) as error:
                    raise ToolError(
                        f"Line {line_number} of the answers has a picture that cannot be used "
                        f"({type(error).__name__}: {error}). Send them as they were answered."
                    ) from error
                number += 1
    if not number:
        raise ToolError("The answers hold no picture. Send at least one.")


def note_best(best: BestOfClasses, picture: ClassifiedPicture) -> None:
    """Tell `best` of the categories that are known of a picture."""
    classes = len(best.numbers)
    confidences = np.full((classes, 1), -np.inf, np.float32)
    numbers = np.full((classes, 1), -1, np.int64)
    for each in picture.predictions:
        confidences[each.index], numbers[each.index] = each.confidence, picture.number
    best.add(confidences, numbers)


def _lines(file: Any) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE_BYTES + 1):
        if len(line) > LONGEST_LINE_BYTES:
            raise ToolError(f"A line of the answers has more than {LONGEST_LINE_BYTES:,} bytes.")
        if line.strip():
            yield line


def _pictures(line: bytes, number: int) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(line)["pictures"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ToolError(
            f"Line {number} of the answers is no answer of classify_pictures.json."
        ) from error
    if not isinstance(found, list):
        raise ToolError(f"`pictures` on line {number} of the answers is not a list.")
    return found


def _answer(item: Mapping[str, Any], number: int, labels: Sequence[str]) -> Answer:
    """One picture.  Raises KeyError, TypeError or ValueError for what cannot be used."""
    name, reason = _text(item["name"]), _text(item["error"] or "")
    truth = None if item["label"] is None else _index(item["label"], len(labels))
    pairs = list(zip(item["classes"], item["confidences"], strict=True))
    if len(pairs) > TOP:
        raise ValueError(f"it has {len(pairs)} categories; at most {TOP} are kept")
    predictions = tuple(_prediction(index, value, labels) for index, value in pairs)
    if not predictions and not reason:
        raise ValueError("it has neither categories nor an error")
    if reason:
        predictions = ()
    thumbnail = _thumbnail(item["thumbnail"]) if predictions else b""
    picture = ClassifiedPicture(number, predictions, reason=reason, thumbnail=thumbnail)
    return name, truth, picture, reason


def _prediction(index: Any, value: Any, labels: Sequence[str]) -> Prediction:
    number = _index(index, len(labels))
    confidence = float(value)
    if isinstance(value, (bool, str)) or not abs(confidence) <= LARGEST_CONFIDENCE:
        raise ValueError(f"the confidence {value!r} is not a number")
    return Prediction(labels[number], number, confidence)


def _index(value: Any, count: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < count:
        raise ValueError(f"{value!r} is not the number of one of the {count} categories")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value[:LONGEST_TEXT].encode("utf-8", "replace").decode().replace("\0", "?")


def _thumbnail(value: Any) -> bytes:
    try:
        data = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError("its thumbnail is not base64") from error
    if not data.startswith(_JPEG_START) or len(data) > LARGEST_THUMBNAIL_BYTES:
        raise ValueError("its thumbnail is not a small JPEG")
    return data
