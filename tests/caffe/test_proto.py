"""Caffe's messages: `caffe.proto` and the classes from it agree with Caffe's field table."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor

from digits.caffe.proto import caffe_pb2, generate
from tests.golden.cases import DATA

TABLE = DATA / "schema" / "caffe_schema.json"
SCHEMA: dict[str, Any] = json.loads(TABLE.read_text())
MESSAGES = {message["full_name"]: message for message in SCHEMA["messages"]}


def test_generated_files_are_those_that_are_checked_in(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="the protobuf compiler is a test requirement")
    generate.generate(TABLE, tmp_path)
    for name in ("caffe.proto", "caffe_pb2.py", "caffe_pb2.pyi"):
        assert (tmp_path / name).read_text() == (generate.HERE / name).read_text(), name


def test_every_message_of_caffe_is_there() -> None:
    ours = {message.full_name for message in caffe_pb2.DESCRIPTOR.message_types_by_name.values()}
    assert ours == set(MESSAGES)


@pytest.mark.parametrize("name", MESSAGES)
def test_fields_have_caffes_numbers_types_and_defaults(name: str) -> None:
    descriptor = caffe_pb2.DESCRIPTOR.message_types_by_name[name.removeprefix("caffe.")]
    fields = [*MESSAGES[name]["fields"], *generate.OWN_FIELDS.get(name, [])]
    assert {f.name for f in descriptor.fields} == {f["name"] for f in fields}
    for expected in fields:
        field = descriptor.fields_by_name[expected["name"]]
        kind = getattr(FieldDescriptor, f"TYPE_{expected['type'].upper()}")
        assert (field.number, field.type) == (expected["number"], kind)
        assert field.is_repeated == (expected["label"] == "repeated")
        assert field.is_packed == expected["packed"]
        if expected["has_default"]:
            assert _default(field) == pytest.approx(expected["default"])


def test_fields_of_our_own_stand_apart_from_caffes() -> None:
    for name, fields in generate.OWN_FIELDS.items():
        caffes = {field["number"] for field in MESSAGES[name]["fields"]}
        assert min(field["number"] for field in fields) > 1000 > max(caffes)


def _default(field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values_by_number[field.default_value].name
    return field.default_value


ANOTHER_CAFFE = """
from google.protobuf import descriptor_pb2, descriptor_pool
def register():
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe")
    file.message_type.add(name="NetParameter").field.add(name="theirs", number=1, type=9, label=1)
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
"""
USE_OURS = """
from digits.caffe.formats import prototxt
from digits.caffe.proto import caffe_pb2
net = caffe_pb2.NetParameter(name="ours")
assert prototxt.parse_text('name: "ours"', caffe_pb2.NetParameter()) == net
assert caffe_pb2.NetParameter.FromString(net.SerializeToString()) == net
"""


@pytest.mark.parametrize("order", ["register()\n" + USE_OURS, USE_OURS + "register()\n" + USE_OURS])
@pytest.mark.parametrize("implementation", ["upb", "python"])
def test_another_package_may_have_a_caffe_proto_of_its_own(order: str, implementation: str) -> None:
    environment = os.environ | {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation}
    command = [sys.executable, "-c", ANOTHER_CAFFE + order]
    subprocess.run(command, check=True, env=environment)


def test_messages_can_be_pickled_and_copied() -> None:
    net = caffe_pb2.NetParameter(name="net")
    net.layer.add(name="ip", type="InnerProduct")
    assert pickle.loads(pickle.dumps(net)) == copy.deepcopy(net) == net
