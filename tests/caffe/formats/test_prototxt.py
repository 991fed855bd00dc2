"""Reading prototxt: located errors with near misses, bounded time; writing it as Caffe does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from digits.caffe.errors import PrototxtError
from digits.caffe.formats import prototxt
from digits.caffe.proto import caffe_pb2


def _parse(text: str | bytes) -> caffe_pb2.NetParameter:
    return prototxt.parse_text(text, caffe_pb2.NetParameter(), "net.prototxt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'name: "n"\nlayer {\n  pooling_param { kernel: 3 }\n}',
            'net.prototxt:3:19: Message type "caffe.PoolingParameter" has no field named "kernel". '
            "Did you mean 'kernel_size' or 'kernel_h'?",
        ),
        (
            "layer { pooling_param { pool: MAXX } }",
            'net.prototxt:1:31: Enum type "caffe.PoolingParameter.PoolMethod" has no value named '
            "MAXX. Did you mean 'MAX'?",
        ),
        (
            "layer { phase: 7 }",
            'net.prototxt:1:16: Enum type "caffe.Phase" has no value with number 7. Its values are '
            "TRAIN, TEST.",
        ),
        (
            "layers { type: CONV }",
            'net.prototxt:1:16: Enum type "caffe.V1LayerParameter.LayerType" has no value named '
            "CONV. Did you mean 'CONVOLUTION'?",
        ),
        (
            "layer { type: ReLU }",
            "net.prototxt:1:15: Expected string but found: 'ReLU'. Texts are written in quotes.",
        ),
        (
            'layer { name: "a"',
            "net.prototxt:1:15: Expected \"}\". The text ends with 1 '{' unclosed.",
        ),
        ("input_dim: 3.5", "net.prototxt:1:12: Couldn't parse integer: 3.5."),
        ("input_dim: 99999999999", "net.prototxt:1:12: Value out of range: 99999999999."),
        (
            'name: "a" name: "b"',
            'net.prototxt:1:17: Message type "caffe.NetParameter" should not have multiple "name" '
            "fields.",
        ),
        (
            b"\x0a\x00layer",
            "net.prototxt: is a binary file, not a prototxt. Weights (.caffemodel) go where "
            "weights are asked for.",
        ),
    ],
)
def test_error_says_where_and_what_and_what_instead(text: str | bytes, message: str) -> None:
    with pytest.raises(PrototxtError) as refusal:
        _parse(text)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    "text",
    [
        "layer { " * 100_000,
        "a{" * 400_000,
        "[" * 1_000_000,
        "input_dim: " + "[" * 1_000_000,
        'name: "' + "x" * 1_000_000,
        "layer { blobs { shape {" + " foo {" * 100_000,
        "<" * 1_000_000,
    ],
    ids=["layers", "unknown", "brackets", "list", "string", "inner", "angles"],
)
def test_megabyte_of_nonsense_is_refused_at_once(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(PrototxtError) as refusal:
        _parse(text)
    assert time.monotonic() - started < 10
    assert len(str(refusal.value)) < 1000


def test_too_large_a_text_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(PrototxtError, match="over 32 MiB is too large"):
        _parse(b"#" * (prototxt.MAX_BYTES + 1))


def test_missing_file_is_named() -> None:
    with pytest.raises(PrototxtError, match=r"no/such\.prototxt: cannot be read: No such file"):
        prototxt.read_net("no/such.prototxt")


def test_latin1_comments_and_a_byte_order_mark_do_no_harm() -> None:
    assert _parse(b'# caf\xe9\nname: "a"').name == "a"
    assert _parse(b'\xef\xbb\xbfname: "a"').name == "a"


def test_text_is_written_as_caffe_prints_it(tmp_path: Path) -> None:
    text = """\
name: "a\\"b\\303\\251\\n"
force_backward: true
state {
  phase: TEST
  level: 0
  stage: ""
}
layer {
  type: "Convolution"
  loss_weight: 0.1
  loss_weight: 1
  loss_weight: 1e-08
  loss_weight: 16777216
  loss_weight: 0.333333343
  param {
    lr_mult: 2
  }
  blobs {
    data: -0.5
    data: nan
    data: inf
    double_data: 0.1
  }
  include {
    phase: TRAIN
  }
  convolution_param {
    bias_term: false
    kernel_size: 3
    kernel_size: 5
  }
}
"""
    net = _parse(text)
    assert prototxt.to_text(net) == text
    prototxt.write_text(tmp_path / "net.prototxt", net)
    assert prototxt.to_text(prototxt.read_net(tmp_path / "net.prototxt")) == text


def test_unwritable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PrototxtError, match="cannot be written"):
        prototxt.write_text(tmp_path / "no" / "net.prototxt", caffe_pb2.NetParameter())
