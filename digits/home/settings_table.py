"""All settings of a job in words: the names of the form's fields, and which values are defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from digits.jobs.job import Job
from digits.web.answers import services
from digits.web.forms import DigitsForm
from digits.web.kind import JobKind

LONGEST_SHOWN = 300


@dataclass(frozen=True)
class Setting:
    """One line of the table; `is_default` is None where the form has no such field."""

    name: str
    title: str
    value: str
    is_default: bool | None


@dataclass(frozen=True)
class _Field:
    title: str
    default: Any
    choices: Mapping[str, str]


def settings_table(job: Job) -> list[Setting]:
    """Every setting of a job, in the order of its form.  Needs a request, as forms do."""
    kind = services().kinds.of(job)
    # mypy asks whether a form could be hashed, but it is the class that is.
    fields = _fields(kind.form) if kind.form else {}  # type: ignore[arg-type]
    values = job.settings.to_json()
    order = [name for name in fields if name in values]
    rest = [n for n in values if n not in fields and n not in kind.shown_elsewhere]
    return [_setting(kind, name, values[name], fields.get(name)) for name in [*order, *rest]]


def _setting(kind: JobKind, name: str, value: Any, field: _Field | None) -> Setting:
    if field is None:
        title = kind.setting_titles.get(name, name.replace("_", " ").capitalize())
        return Setting(name, title, _words(value, {}), None)
    is_default = _plain(value) == _plain(field.default)
    return Setting(name, field.title, _words(value, field.choices), is_default)


@lru_cache(maxsize=32)
def _fields(form_type: type[DigitsForm]) -> dict[str, _Field]:
    form = form_type(formdata=None, meta={"csrf": False})
    twice = _titles_used_twice(form)
    return {
        field.name: _Field(
            # Several fields are called "Gamma"; their names tell them apart.
            f"{field.label.text} ({field.name})" if field.label.text in twice else field.label.text,
            field.data,
            {str(c.value): str(c.label) for c in getattr(field, "choices", None) or ()},
        )
        for field in form
    }


def _titles_used_twice(form: DigitsForm) -> set[str]:
    titles = [field.label.text for field in form]
    return {title for title in titles if titles.count(title) > 1}


def _words(value: Any, choices: Mapping[str, str]) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_words(item, choices) for item in value)
    text = "" if value is None else choices.get(str(value), str(value))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _plain(value: Any) -> Any:
    """A value as job.json holds it; what is empty is the same as what was not given."""
    if isinstance(value, tuple):
        value = list(value)
    return value if value not in ("", []) else None
