"""Form fields that only models have."""

from __future__ import annotations

import math
from typing import Any

from flask_wtf.file import FileField
from wtforms import StringField

from digits.forms import shown

MOST_STEPS = 100


class PercentListField(StringField):  # type: ignore[misc]
    """Growing numbers above 0 and up to 100 with commas between them; its data is a tuple."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the text; raises ValueError, which WTForms puts at the field."""
        if valuelist:
            self.data = None
            self.data = parse_percents(",".join(str(value) for value in valuelist))

    def _value(self) -> str:
        if self.raw_data:
            return ",".join(str(value) for value in self.raw_data)
        return ",".join(f"{value:g}" for value in self.data or ())


class UploadField(FileField):  # type: ignore[misc]
    """A file from the user's computer; its data is a FileStorage, None without one."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Take the file; ValueError when something else was sent, WTForms puts it at the field."""
        super().process_formdata(valuelist)
        if self.data is None and any(isinstance(value, str) and value for value in valuelist):
            raise ValueError("This is not a file. Send it as an upload (multipart/form-data).")


class NumberListField(StringField):  # type: ignore[misc]
    """Up to `most` finite numbers with commas between them; its data is a tuple, empty at first."""

    def __init__(self, label: str, *, most: int, low: float, high: float, **options: Any) -> None:
        super().__init__(label, default=(), **options)
        self.most, self.low, self.high = most, low, high

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the text; raises ValueError, which WTForms puts at the field."""
        if valuelist:
            self.data = None
            self.data = self._parsed(",".join(str(value) for value in valuelist))

    def _parsed(self, text: str) -> tuple[float, ...]:
        if not text.strip():
            return ()
        parts = [part.strip() for part in text.split(",")]
        if len(parts) > self.most:
            raise ValueError(f"{len(parts)} numbers are too many: at most {self.most}.")
        return tuple(self._number(part) for part in parts)

    def _number(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"{shown(text)} is not a number. Write 128 or 104,117,123.") from None
        if not math.isfinite(value) or not self.low <= value <= self.high:
            raise ValueError(f"{shown(text)} is not between {self.low} and {self.high}.")
        return value

    def _value(self) -> str:
        if self.raw_data:
            return ",".join(str(value) for value in self.raw_data)
        return ",".join(f"{value:g}" for value in self.data or ())


def parse_percents(text: str) -> tuple[float, ...]:
    """`50,85` as numbers; ValueError says what is wrong."""
    parts = [part.strip() for part in text.split(",")]
    if parts == [""]:
        raise ValueError("Give at least one step, such as 50,85.")
    if len(parts) > MOST_STEPS:
        raise ValueError(f"{len(parts)} steps are too many: at most {MOST_STEPS}.")
    values: list[float] = []
    for part in parts:
        values.append(_percent(part))
        if len(values) > 1 and not values[-1] > values[-2]:
            raise ValueError(f"The steps must grow: {values[-1]:g} comes after {values[-2]:g}.")
    return tuple(values)


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is not a number. Write steps like 50,85.") from None
    if not math.isfinite(value) or not 0 < value <= 100:
        raise ValueError(f"{shown(text)} is not a percentage above 0 and up to 100.")
    return value
