"""Fields of the form of a classification model that take several words for one value.

Elsewhere: the form (`forms.py`), fields of any form (`digits/web/forms.py`).
"""

from __future__ import annotations

from typing import Any

from wtforms import SelectMultipleField, StringField, ValidationError

from digits.model.images.classification.settings import MEAN_TITLES, MEAN_WORDS, MIRRORS
from digits.web.forms import ChoiceField, TakesSeveral, TakesWords
from digits.web.words import shown, yes_or_no


class MeanField(TakesWords, ChoiceField):
    """Which mean is subtracted: none, image or pixel; its data is False, True or "pixel".

    A box of yes and no, which the first version of DIGITS had, says image or none; a browser's form
    in which it is not ticked says none.
    """

    def __init__(self, label: str, **options: Any) -> None:
        super().__init__(label, choices=list(MEAN_TITLES.items()), coerce=mean_of, **options)

    @property
    def was_sent(self) -> bool:
        """Whether the request says which; it has the default if not."""
        return bool(self.raw_data) or not self.meta.absent_is_usual

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the word; one that is unknown is told by the check of choices."""
        if valuelist:
            self.data = mean_of(valuelist[0])
        elif not self.meta.absent_is_usual:
            self.data = False

    def pre_validate(self, form: Any) -> None:
        """Raise ValidationError for an unknown word."""
        if self.data not in MEAN_WORDS.values():
            raise ValidationError(
                f"{shown(str(self.data))} is not a choice. Choose one of {', '.join(MEAN_WORDS)}."
            )


def mean_of(value: Any) -> Any:
    """Which mean a word, or the data of the field, says; what is unknown stays as it is."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold()
    if word in MEAN_WORDS:
        return MEAN_WORDS[word]
    said = yes_or_no(word)
    return str(value) if said is None else said


class MirrorField(TakesWords, ChoiceField):
    """As in the network, on or off; other words for yes and no say on and off."""

    def __init__(self, label: str, **options: Any) -> None:
        super().__init__(label, choices=list(MIRRORS.items()), **options)

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the word; one that is unknown is told by the check of choices."""
        if not valuelist:
            return
        word = str(valuelist[0]).strip()
        said = yes_or_no(word) if word else None
        self.data = word if said is None else ("on" if said else "off")


class ChoicesField(TakesSeveral, SelectMultipleField):  # type: ignore[misc]
    """Some of several values."""


class CommaListField(TakesSeveral, StringField):  # type: ignore[misc]
    """Words with commas between them; its data is a tuple."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the words."""
        words = (word.strip() for value in valuelist for word in str(value).split(","))
        self.data = tuple(word for word in words if word)

    def _value(self) -> str:
        return ",".join(self.data or ())
