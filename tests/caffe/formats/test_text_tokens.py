"""Prototxt is read as C++ protobuf reads it, letter by letter.

The table was recorded from `upgrade_solver_proto_text` of BVLC Caffe 1.0 with protobuf 3.12: what
it wrote, or None where it refused the text.  One difference is meant: a byte order mark is taken.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from digits.caffe.errors import PrototxtError
from digits.caffe.formats import prototxt, text_tokens
from digits.caffe.formats.raw_text import from_wire, to_wire
from digits.caffe.net import Net
from digits.caffe.proto.caffe_pb2 import NetParameter, SolverParameter

RECORDED: list[tuple[bytes, bytes | None]] = [
    (b'net: "a\\q"', None),
    (b'net: "\\?"', b'net: "?"\n'),
    (b"base_lr: +1", None),
    (b"base_lr: - 1", b"base_lr: -1\n"),
    (b"test_initialization: 0x1", b"test_initialization: true\n"),
    (b"test_initialization: 00", b"test_initialization: false\n"),
    (b"test_initialization: 2", None),
    (b"base_lr:\xa01", None),
    (b"base_lr: 1_0", None),
    (b"base_lr: 010", None),
    (b"max_iter: 010", b"max_iter: 8\n"),
    (b"base_lr: 0x1", None),
    (b'net: "\\x4"', b'net: "\\004"\n'),
    (b'net: "\\X41"', None),
    (b'net: "\\u00e9"', b'net: "\\303\\251"\n'),
    (b'net: "\xe9"', b'net: "\\351"\n'),
    (b'net: "\\351"', b'net: "\\351"\n'),
    (b"base_lr: 1.5f", b"base_lr: 1.5\n"),
    (b"base_lr: -.5", b"base_lr: -0.5\n"),
    (b"base_lr: - inf", b"base_lr: -inf\n"),
    (b"max_iter: -0x10", b"max_iter: -16\n"),
    (b"max_iter: -\n1", b"max_iter: -1\n"),
    (b"max_iter: - # c\n 1", b"max_iter: -1\n"),
    (b"net: 'a' ; ; base_lr: 1", None),
    (b"net: 'a';base_lr: 1", b'base_lr: 1\nnet: "a"\n'),
    (b"solver_mode: - 1", None),
    (b"base_lr: 1 base_lr: 2", None),
    (b"base_lr: 5.", b"base_lr: 5\n"),
    (b'net: "a\nb"', None),
    (b"test_iter: [1,2]", b"test_iter: 1\ntest_iter: 2\n"),
    (b"test_iter: [1,]", None),
    (b"net-x: 1", None),
    (b"test_initialization: True", b"test_initialization: true\n"),
    (b"test_initialization: t", b"test_initialization: true\n"),
    (b"test_initialization: TRUE", None),
    (b"base_lr: 1.5F", b"base_lr: 1.5\n"),
    (b"base_lr: 1e+2", b"base_lr: 100\n"),
    (b"base_lr: 1e", None),
    (b"base_lr: 08", None),
    (b"max_iter: 1x", None),
    (b"base_lr: 1 \xe9", None),
    (b"# \xe9\nbase_lr: 1", b"base_lr: 1\n"),
    (b'net: "\\400"', b'net: "\\000"\n'),
    (b'net: "a\\', None),
    (b"base_lr: INF", b"base_lr: inf\n"),
    (b"base_lr: Infinity", b"base_lr: inf\n"),
    (
        b'net: "\\"\\\'\\a\\b\\f\\v\\t\\r\\n\\\\"',
        b'net: "\\"\\\'\\007\\010\\014\\013\\t\\r\\n\\\\"\n',
    ),
    (b"base_lr: -1.5f max_iter:1", b"base_lr: -1.5\nmax_iter: 1\n"),
    (b"max_iter:1test_interval:2", None),
    (b'net:"a"base_lr:1', b'base_lr: 1\nnet: "a"\n'),
    (b"solver_mode: GPU", b"solver_mode: GPU\n"),
    (b"solver_mode: 0x1", b"solver_mode: GPU\n"),
    (b"average_loss: 1.0", None),
    (b"average_loss: -1", b"average_loss: -1\n"),
    (b"random_seed: 9223372036854775808", None),
    (b"max_iter: 0xg", None),
    (b"base_lr: 1.e5", b"base_lr: 100000\n"),
    (b"base_lr: .e5", None),
    (b"base_lr: 1..5", None),
    (b"net_param{}", b"net_param {\n}\n"),
    (b"net_param:{}", b"net_param {\n}\n"),
    (b"net_param<>", b"net_param {\n}\n"),
    (b"net_param:<>", b"net_param {\n}\n"),
    (b"net_param{name:'a'>", None),
    (b"net_param{name:'a',}", b'net_param {\n  name: "a"\n}\n'),
    (b"base_lr 1", None),
    (b'base_lr: "1"', None),
    (b"max_iter: true", None),
    (b"debug_info: - 1", None),
    (b"debug_info: -0", None),
    (b"net: a", None),
    (b"test_state: [{},{}]", b"test_state {\n}\ntest_state {\n}\n"),
    (b"test_state: []", b""),
    (b"test_iter: []", b""),
    (b"base_lr: 00", None),
    (b"max_iter: 00", b"max_iter: 0\n"),
    (b"base_lr: 1\x0bmax_iter: 2", b"base_lr: 1\nmax_iter: 2\n"),
    (b"base_lr: 1\x0cmax_iter: 2", b"base_lr: 1\nmax_iter: 2\n"),
    (b"base_lr: nanf", None),
    (b"base_lr: 1d", None),
]


@pytest.mark.parametrize(("text", "written"), RECORDED)
def test_text_is_taken_or_refused_as_by_caffe(text: bytes, written: bytes | None) -> None:
    if written is None:
        with pytest.raises(PrototxtError, match=r"^s.prototxt:\d+:\d+: "):
            prototxt.parse_text(text, SolverParameter(), "s.prototxt")
    else:
        message = prototxt.parse_text(text, SolverParameter())
        assert prototxt.to_text(message).encode() == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base_lr: +1", "s:1:10: unexpected '+': a number is written without it."),
        ("\n net: 'a\\q'", "s:2:9: unknown escape \\q in a text; a backslash itself is written"),
        ("base_lr:\xa01", "s:1:9: unexpected byte 0xc2a0: outside of texts and comments"),
        (b"base_lr:\xe9", "s:1:9: unexpected byte 0xe9: outside of texts and comments"),
        ("base_lr:\x011", r"s:1:9: unexpected character '\x01'"),
        ("net: 'a", "s:1:6: a text that does not end in its line; close its quotes."),
        ("max_iter: 1_000", "s:1:11: '1_000' is no number."),
    ],
)
def test_refusals_say_where_and_what(text: str | bytes, message: str) -> None:
    with pytest.raises(PrototxtError, match="^" + re.escape(message)):
        prototxt.parse_text(text, SolverParameter(), "s")


def test_places_of_later_mistakes_stay_as_they_are() -> None:
    with pytest.raises(PrototxtError, match=r"^s:2:25: .*no field named .basis"):
        prototxt.parse_text("max_iter:\n-  1 debug_info: 0x01   basis: 1", SolverParameter(), "s")


def test_a_byte_that_is_no_utf8_stays_that_byte(tmp_path: Path) -> None:
    text = b'name: "caf\xe9" layer { name: "\xe9t\xc3\xa9" type: "Parameter" top: "t\377" ' + (
        b"parameter_param { shape { dim: 1 } } }"
    )
    net = prototxt.parse_text(text, NetParameter())
    written = prototxt.to_text(net)
    assert r'name: "caf\351"' in written
    assert r'name: "\351t\303\251"' in written
    assert prototxt.parse_text(written, NetParameter()) == net
    wire = to_wire(net)
    assert b"caf\xe9" in wire
    assert from_wire(NetParameter, wire) == net
    (tmp_path / "n.prototxt").write_bytes(text)
    made = Net(tmp_path / "n.prototxt", 1)
    made.params[net.layer[0].name][0].data[...] = 3
    made.save(tmp_path / "w.caffemodel")
    assert b"\xe9t\xc3\xa9" in (tmp_path / "w.caffemodel").read_bytes()
    again = Net(tmp_path / "n.prototxt", 1, weights=tmp_path / "w.caffemodel")
    assert again.params[net.layer[0].name][0].data[0] == 3


def test_usual_tokens_are_handed_on_as_they_are() -> None:
    text = """# remark
    name: 'a' layer { name: "b" loss_weight: -1.5e-3 bottom: [ 'c', "d" ]; phase: TEST }
    """
    assert text_tokens.for_parser(text * 1000) == text * 1000
