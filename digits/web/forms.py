"""What all forms share: where their values come from, numbers with clear limits, server paths.

A form takes its values from a browser's form, from curl's, or from a JSON body with the same
names.  Messages say what was received and what would do.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from flask import request
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError
from werkzeug.datastructures import (
    FileStorage,
    ImmutableMultiDict,
    MultiDict,
)
from wtforms import (
    BooleanField,
    FloatField,
    IntegerField,
    SelectField,
    StringField,
    ValidationError,
)
from wtforms.fields import Field
from wtforms.fields.choices import SelectChoice
from wtforms.fields.core import UnboundField

from digits.errors import FormError
from digits.sources.paths import PathNotAllowed
from digits.web.answers import services, wants_json
from digits.web.field_names import comes_from_a_script, problems
from digits.web.submitted import (
    ONE_VALUE,
    JsonFlag,
    lists_in_json,
    single_value,
    submitted_values,
    text_of,
)
from digits.web.words import neither, shown, yes_or_no

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Validator = Callable[[Any, Field], None]

LONGEST_NAME = 500
NO_FLAG = "true was sent in JSON; this takes a text or a number."
LONGEST_PATH = 4096  # Linux takes no longer ones


class TakesWords:
    """A field that takes words for yes and no, and so true and false in JSON."""


class TakesSeveral:
    """A field that takes several values, and so a list in JSON."""


class DigitsForm(FlaskForm):  # type: ignore[misc]
    """A form whose CSRF token is asked of browsers' forms and not of scripts' JSON routes."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        """What forms do by themselves."""

        absent_is_usual = False

    # Forms that change nothing may be sent without a token.
    needs_token: ClassVar[bool] = True

    # What a route reads beside the fields.
    also_known: ClassVar[Collection[str]] = ()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # What is wrong with names that are no fields of this form.
        self.unknown: dict[str, list[str]] = {}

    @classmethod
    def submitted(cls, also_known: Collection[str] = ()) -> Self:
        """The form with the values of this request.

        A script's field that is neither the form's nor `also_known` is an error of the form.
        """
        values = submitted_values()
        # What is left out of a browser's form is a box that is not ticked; a script that leaves it
        # out wants what is usual.
        meta: dict[str, Any] = {"absent_is_usual": comes_from_a_script()}
        if not cls.needs_token or wants_json():
            meta["csrf"] = False
        form = cls(formdata=cls._without_false(values), meta=meta)
        for field in form:
            # `curl -F custom_network=@net.prototxt` sends a file, and means its text.
            if isinstance(field, StringField) and isinstance(field.data, FileStorage):
                field.data = text_of(field.data)
        known = [field.name for field in form]
        form.unknown = problems(values, [*known, *cls.also_known, *also_known])
        form._refuse_other_json(values)
        return form

    @classmethod
    def _without_false(cls, values: Any) -> Any:
        """The values but for false in JSON where there is no box."""
        if not request.is_json:
            return values
        pairs = [
            (name, value)
            for name, value in values.items(multi=True)
            if not (isinstance(value, JsonFlag) and value.is_false) or cls._takes_words(name)
        ]
        return ImmutableMultiDict(pairs)

    @classmethod
    def _takes_words(cls, name: str) -> bool:
        field = getattr(cls, name, None)
        return isinstance(field, UnboundField) and issubclass(field.field_class, TakesWords)

    def _refuse_other_json(self, values: MultiDict[str, Any]) -> None:
        """Put errors at fields that take one value, or no true, and were sent such in JSON."""
        lists = lists_in_json()
        for field in self:
            value = values.get(field.name)
            is_true = isinstance(value, JsonFlag) and not value.is_false
            if field.name in lists and not isinstance(field, TakesSeveral):
                field.process_errors = [ONE_VALUE]
            elif is_true and not isinstance(field, TakesWords):
                field.process_errors = [NO_FLAG]

    def with_other_values(self, values: Mapping[str, Any]) -> Self:
        """The form with these values in place of those that were sent.

        Raises CSRFError where a browser's form lacks the token.
        """
        token = self._fields.get("csrf_token")
        if token is not None and not token.validate(self):
            raise CSRFError("The form was open for too long, or cookies are off.")
        form = type(self)(formdata=None, data=values, meta={"csrf": False})
        form.unknown = self.unknown
        return form

    def validate(self, extra_validators: Any = None) -> bool:
        """Check every field, and the names of what was sent."""
        good = super().validate(extra_validators)
        return good and not self.all_errors

    def values_of(self, settings_type: type[DataclassInstance]) -> dict[str, Any]:
        """What stands in the fields that `settings_type` has, by name."""
        names = [each.name for each in dataclasses.fields(settings_type) if each.name in self]
        values = {name: self[name].data for name in names}
        return {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}

    def add_error(self, field: str, message: str) -> None:
        """Put a message at a field, after validation."""
        self[field].errors = [*self[field].errors, message]

    def add_errors(self, errors: Mapping[str, list[str]]) -> None:
        """Put messages at their fields; those of unknown fields stand for the whole form."""
        for name, messages in errors.items():
            for message in messages:
                if name in self:
                    self.add_error(name, message)
                else:
                    self.form_errors.append(message)

    def fill_in(self, texts: Mapping[str, str]) -> None:
        """Take what a link says of some fields; what a field cannot take leaves its default."""
        for name, text in texts.items():
            try:
                self[name].process_formdata([text])
            except ValueError:
                self[name].data = self[name].default

    def is_usual(self, names: Iterable[str]) -> bool:
        """Whether all of these fields hold their defaults, and nothing is wrong with them."""
        fields = [self[name] for name in names]
        return not any(field.errors or _is_changed(field) for field in fields)

    @property
    def all_errors(self) -> dict[str, list[str]]:
        """The messages by field; those of the whole form under `form`."""
        found = {name: [str(text) for text in texts] for name, texts in self.errors.items() if name}
        found.update(self.unknown)
        if self.form_errors:
            found["form"] = [str(text) for text in self.form_errors]
        return found


def require_token(*also_known: str) -> None:
    """Refuse a browser's form without the token that our pages carry, and unknown fields."""
    form = DigitsForm.submitted(also_known)
    if not form.validate():
        if form.unknown:
            raise FormError(form.unknown)
        raise CSRFError("The form was open for too long, or cookies are off.")


def _is_changed(field: Field) -> bool:
    """Whether a field holds something else than its default; all kinds of nothing are the same."""
    data, default = (_plain(value) for value in (field.data, field.default))
    return bool(data != default)


def _plain(value: Any) -> Any:
    """A value to compare: settings that were read from a file have lists in place of tuples."""
    if isinstance(value, FileStorage):
        return value.filename or None
    return (tuple(value) if isinstance(value, list) else value) or None


def choice_list(choices: Iterable[tuple[str, str]]) -> list[SelectChoice]:
    """(value, text) pairs as a select field takes them."""
    return [SelectChoice(value, text) for value, text in choices]


class ChoiceField(SelectField):  # type: ignore[misc]
    """One of some (value, text) pairs; any value passes when `validate_choice` is False."""

    def __init__(self, label: str, choices: Sequence[tuple[str, str]] = (), **options: Any) -> None:
        super().__init__(label, choices=choice_list(choices), **options)

    def pre_validate(self, form: Any) -> None:
        known = [choice.value for choice in self.choices]
        if self.validate_choice and self.data not in known:
            words = ", ".join(filter(None, known))
            raise ValidationError(
                f"{shown(str(self.data))} is not a choice. Choose one of {words}."
            )


class YesNoField(TakesWords, BooleanField):  # type: ignore[misc]
    """A box: ticked or not in a browser, a word for yes or no from a script (`words.py`)."""

    @property
    def is_left_to_us(self) -> bool:
        """Whether a script has not sent it, so that it is as usual."""
        return bool(self.meta.absent_is_usual) and not self.raw_data

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the word; raises ValueError, which WTForms puts at the field."""
        if not valuelist:
            # What WTForms has put there is the usual value.
            if not self.meta.absent_is_usual:
                self.data = False
            return
        text = str(valuelist[0])
        said = yes_or_no(text)
        self.data = bool(said)
        if said is None:
            raise ValueError(neither(text))


class WholeNumberField(IntegerField):  # type: ignore[misc]
    """An integer between limits; empty is an error unless `optional`."""

    def __init__(
        self,
        label: str,
        *,
        low: int | None = None,
        high: int | None = None,
        optional: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(label, [_between(low, high, optional)], **options)
        self.optional = optional

    def process_formdata(self, valuelist: list[Any]) -> None:
        if not valuelist:
            return
        text = str(valuelist[0]).strip()
        self.data = None
        if text:
            try:
                self.data = int(text)
            except ValueError:
                raise ValueError(f"{shown(text)} is not a whole number.") from None


class NumberField(FloatField):  # type: ignore[misc]
    """A finite number between limits; empty is an error unless `optional`."""

    def __init__(
        self,
        label: str,
        *,
        low: float | None = None,
        high: float | None = None,
        above: float | None = None,
        optional: bool = False,
        **options: Any,
    ) -> None:
        validators = [_between(low, high, optional), _greater(above)]
        super().__init__(label, validators, **options)
        self.optional = optional

    def process_formdata(self, valuelist: list[Any]) -> None:
        if not valuelist:
            return
        text = str(valuelist[0]).strip()
        self.data = None
        if text:
            try:
                self.data = float(text)
            except ValueError:
                raise ValueError(f"{shown(text)} is not a number.") from None
            if not math.isfinite(self.data):
                self.data = None
                raise ValueError(f"{shown(text)} is not a finite number.")

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else number_text(self.data)


def number_text(value: float) -> str:
    """A number as people write it: 33 for 33.0, and all digits of any other."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def required_name(form: Any, field: Field) -> None:
    """A name that is not blank, not endless, and stands on one line."""
    field.data = (field.data or "").strip()
    if not field.data:
        raise ValidationError("The name is empty. Enter one.")
    one_line(form, field)


def one_line(form: Any, field: Field) -> None:
    """A text of one line that can be shown; it may be empty."""
    field.data = (field.data or "").strip()
    _check_line(field.data)


def one_line_of(name: str, sent: str | None = None) -> str:
    """The same of a request without a form, or of what was `sent` in the address; FormError."""
    text = (single_value(name) if sent is None else sent).strip()
    try:
        _check_line(text)
    except ValidationError as error:
        raise FormError({name: [str(error)]}) from error
    return text


def _check_line(text: str) -> None:
    if len(text) > LONGEST_NAME:
        raise ValidationError(f"The name has more than {LONGEST_NAME} characters.")
    if not text.isprintable():
        raise ValidationError("The name contains characters that cannot be displayed.")


class JobForm(DigitsForm):
    """The form of a new job."""

    needs_token = True
    # Another job's id: its settings are taken in place of what is sent (each kind's views).
    also_known: ClassVar[Collection[str]] = ("clone",)

    group_name = StringField(
        "Group",
        [one_line],
        description="Jobs with the same group stand together on the home page.",
    )


def server_path(text: str, *, folder: bool) -> Path:
    """A path of the server's disk that the user may read; ValidationError says what is wrong."""
    if len(text) > LONGEST_PATH:
        raise ValidationError(f"{shown(text)} is longer than any path: {LONGEST_PATH} characters.")
    try:
        path = services().paths.check(text)
    except PathNotAllowed as error:
        raise ValidationError(str(error)) from None
    kind = "folder" if folder else "file"
    try:
        right = path.is_dir() if folder else path.is_file()
        exists = path.exists()
    except OSError as error:
        raise ValidationError(f"{text} cannot be read: {error.strerror}.") from None
    if not exists:
        raise ValidationError(f"There is no {kind} {text} on the server.")
    if not right:
        raise ValidationError(f"{text} is not a {kind}.")
    if not os.access(path, os.R_OK | (os.X_OK if folder else 0)):
        raise ValidationError(f"The server may not read the {kind} {text}.")
    return path


def _between(low: float | None, high: float | None, optional: bool) -> Validator:
    def check(form: Any, field: Field) -> None:
        if field.data is None:
            if not optional and not field.errors:
                raise ValidationError("Enter a number.")
        elif low is not None and field.data < low:
            raise ValidationError(f"{field.data} is too small: at least {low}.")
        elif high is not None and field.data > high:
            raise ValidationError(f"{field.data} is too large: at most {high}.")

    return check


def _greater(above: float | None) -> Validator:
    def check(form: Any, field: Field) -> None:
        if above is not None and field.data is not None and not field.data > above:
            raise ValidationError(f"{field.data} is too small: it must be above {above}.")

    return check
