"""Settings of a job: typed fields from JSON, and the same JSON again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from digits.errors import FormError
from digits.jobs.settings import JobSettings, optional


@dataclass(frozen=True, kw_only=True)
class Baking(JobSettings):
    recipe: str
    minutes: int = 40
    degrees: float = 180
    fan: bool = True
    cover_after: int | None = 30
    seeds: tuple[str, ...] = ("poppy",)
    stages: tuple[float, ...] = ()
    report: dict[str, Any] | None = None
    baked_by: str | None = optional()


WHOLE = {
    "recipe": "rye", "minutes": 50, "degrees": 210.5, "fan": False, "cover_after": None,
    "seeds": ["flax", "sesame"], "stages": [0.5, 2], "report": {"crust": ["dark"]},
    "baked_by": "ada",
}  # fmt: skip


def test_json_comes_back_as_it_was() -> None:
    settings = Baking.from_json(WHOLE)
    assert (settings.minutes, settings.seeds, settings.stages) == (50, ("flax", "sesame"), (0.5, 2))
    assert settings.to_json() == WHOLE
    assert list(settings.to_json()) == list(WHOLE)
    # 2 stays 2: a reader of job.json would see 2.0 as a change.
    assert isinstance(settings.to_json()["stages"][1], int)


def test_what_is_made_here_is_written_whole_but_for_what_is_not_known() -> None:
    assert Baking(recipe="rye").to_json() == {
        "recipe": "rye", "minutes": 40, "degrees": 180, "fan": True, "cover_after": 30,
        "seeds": ["poppy"], "stages": [], "report": None,
    }  # fmt: skip


def test_what_an_earlier_version_left_out_gets_its_default_and_stays_out() -> None:
    earlier = {"recipe": "rye", "cover_after": None}
    settings = Baking.from_json(earlier)
    assert (settings.minutes, settings.seeds, settings.cover_after) == (40, ("poppy",), None)
    assert settings.to_json() == earlier
    assert settings == replace(Baking(recipe="rye"), cover_after=None)
    assert replace(settings, minutes=41).to_json() == {**earlier, "minutes": 41}


def test_what_a_newer_version_added_is_kept() -> None:
    newer = {"steam": {"litres": [1, None]}, **WHOLE, "music": 3}
    settings = Baking.from_json(newer)
    assert settings.to_json() == newer
    assert replace(settings, minutes=1).to_json() == {**newer, "minutes": 1}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"minutes": "50"}, 50),
        ({"minutes": 50.0}, 50),
        ({"minutes": None}, 40),
        ({"degrees": "1.5"}, 1.5),
        ({"recipe": 7}, "7"),
        ({"recipe": 0.5}, "0.5"),
        ({"seeds": None}, ("poppy",)),
        ({"seeds": [0, 1]}, ("0", "1")),
        ({"stages": ["1", 2]}, (1.0, 2)),
        ({"cover_after": "9"}, 9),
        ({"minutes": 2**63 - 1}, 2**63 - 1),
    ],
)
def test_values_of_another_kind_are_read_as_a_form_would(given: dict[str, Any], read: Any) -> None:
    [name] = given
    settings = Baking.from_json({"recipe": "rye", **given})
    assert getattr(settings, name) == read
    assert Baking.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"minutes": "soon"}, "'soon' is not a whole number."),
        ({"minutes": 1.5}, "1.5 is not a whole number."),
        ({"minutes": True}, "True is not a whole number."),
        ({"minutes": [1]}, "[1] is not a whole number."),
        ({"minutes": 2**63}, "A number of 64 bits is too large."),
        ({"minutes": "9" * 5000}, "is not a whole number."),
        ({"degrees": float("nan")}, "nan is not a finite number."),
        ({"degrees": "inf"}, "'inf' is not a finite number."),
        ({"degrees": 10**400}, "is too large."),
        ({"degrees": False}, "False is not a finite number."),
        ({"fan": 1}, "1 is neither true nor false."),
        ({"fan": "yes"}, "'yes' is neither true nor false."),
        ({"recipe": ["rye"]}, "['rye'] is not a text."),
        ({"recipe": True}, "True is not a text."),
        ({"recipe": None}, "It is missing."),
        ({"seeds": "flax"}, "'flax' is not a list."),
        ({"seeds": {"flax": 1}}, "{'flax': 1} is not a list."),
        ({"seeds": [None]}, "None is not a text."),
        ({"stages": [[1]]}, "[1] is not a finite number."),
        ({"report": []}, "[] is not an object."),
        ({"cover_after": {}}, "{} is not a whole number."),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_was_received(
    given: dict[str, Any], words: str
) -> None:
    with pytest.raises(FormError) as caught:
        Baking.from_json({"recipe": "rye", **given})
    [(name, [message])] = caught.value.errors.items()
    assert [name] == list(given)
    assert words in message
    assert len(message) < 120


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(FormError) as caught:
        Baking.from_json({"minutes": "soon", "fan": None, "seeds": 3})
    assert sorted(caught.value.errors) == ["minutes", "recipe", "seeds"]


def test_changes_from_the_defaults_are_told_with_what_has_none() -> None:
    settings = Baking(recipe="rye", minutes=50, seeds=("flax",), baked_by="ada")
    changed = {"recipe": "rye", "minutes": 50, "seeds": ["flax"], "baked_by": "ada"}
    assert settings.changed() == changed
    assert Baking(recipe="rye").changed() == {"recipe": "rye"}
