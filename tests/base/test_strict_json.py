"""JSON that every parser reads."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from digits.base import strict_json

NAN, INF = float("nan"), float("inf")


@dataclass
class Measured:
    loss: float


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NAN, "null"),
        ({"a": [1.5, -INF, (NAN, 2)]}, '{"a": [1.5, null, [null, 2]]}'),
        ([True, None, 0, "NaN", 1e308], '[true, null, 0, "NaN", 1e+308]'),
        ({1: NAN, None: {"b": INF}}, '{"1": null, "null": {"b": null}}'),
    ],
)
def test_what_is_no_number_is_null(value: Any, text: str) -> None:
    assert strict_json.dumps(value) == text


def test_options_and_other_types_are_those_of_json() -> None:
    options: dict[str, Any] = {"indent": 1, "sort_keys": True, "ensure_ascii": False}
    data = {"b": "ä", "a": [1, 2.5]}
    assert strict_json.dumps(data, **options) == json.dumps(data, **options)
    assert strict_json.dumps([Measured(NAN), INF], default=asdict) == '[{"loss": null}, null]'
    assert strict_json.loads("[1]") == [1]


def test_nothing_is_changed() -> None:
    data = {"a": [NAN]}
    strict_json.dumps(data)
    assert math.isnan(data["a"][0])
