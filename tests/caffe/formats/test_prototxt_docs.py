"""docs/prototxt.md lists every layer type, and every field with its default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from digits.caffe.layers.registry import layer_types
from digits.caffe.proto import caffe_pb2

DOCS = (Path(__file__).parents[3] / "docs" / "prototxt.md").read_text()
# They become the others when a file is read.
OLD = {"V0LayerParameter", "V1LayerParameter"}


def test_every_layer_type_has_a_section() -> None:
    headings = re.findall(r"^### (`.*`)$", DOCS, re.MULTILINE)
    listed = [name for heading in headings for name in re.findall(r"`(\w+)`", heading)]
    assert sorted(listed) == layer_types()


def test_every_field_is_listed_with_its_default() -> None:
    documented = {name: dict(rows) for name, rows in _tables()}
    for message in _messages(caffe_pb2.NetParameter.DESCRIPTOR, set()):
        fields = {field.name: _default(field) for field in message.fields}
        if message.name == "LayerParameter":
            # The types' messages have tables of their own.
            fields = {n: d for n, d in fields.items() if f"in `{n} {{ ... }}`." not in DOCS}
        assert documented.pop(message.name) == fields, message.name
    assert not documented


def test_every_row_says_what_the_field_means() -> None:
    rows = [line for line in DOCS.splitlines() if line.startswith("| `")]
    assert rows
    assert all(len(row.split("|")[3].strip()) > 3 for row in rows)


def _tables() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The message's name above each table, and its rows (field, default)."""
    for part in re.split(r"^(?:### )?Message ", DOCS, flags=re.MULTILINE)[1:]:
        name = re.match(r"`(\w+)`", part)
        assert name
        section = re.split(r"^#", part, maxsplit=1, flags=re.MULTILINE)[0]
        yield name[1], re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE)


def _messages(message: Descriptor, seen: set[str]) -> Iterator[Descriptor]:
    """The message and all that it is made of."""
    if message.name in seen | OLD:
        return
    seen.add(message.name)
    yield message
    for field in message.fields:
        if field.message_type is not None:
            yield from _messages(field.message_type, seen)


def _default(field: FieldDescriptor) -> str:
    if field.is_repeated:
        return "list"
    if field.is_required:
        return "required"
    if field.message_type is not None or not field.has_default_value:
        return ""
    value = field.default_value
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[value].name)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if value != "" else '""'
