"""Where layers begin in a text."""

from __future__ import annotations

import pytest

from digits.inference.work.layer_lines import layer_lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ('layer { name: "a" }\nlayer {\n name: "b" }', {"a": 1, "b": 2}),
        ('layer\n{ type: "x" name: "a" }', {"a": 2}),
        ("layer: < name: \"a\" >\nlayers { name: 'b' }", {"a": 1, "b": 2}),
        ('# layer { name: "no" }\nlayer { name: "a" } # {\nlayer { name: "b" }', {"a": 2, "b": 3}),
        ('layer { name: "a{" param { name: "p" } }\nlayer { name: "b" }', {"a{": 1, "b": 2}),
        ('layer { param { name: "p" } name: "a" }', {"a": 1}),
        ('layer { name: "twice" }\nlayer { name: "twice" }', {"twice": 1}),
        ('name: "net"\nlayers { layer { name: "v0" type: "conv" } }', {"v0": 2}),
        ('layer { name: "cut"', {}),
    ],
)
def test_layers_are_found_where_they_begin(text: str, expected: dict[str, int]) -> None:
    assert layer_lines(text) == expected
