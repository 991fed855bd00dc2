"""Checking and drawing nets that users wrote, hostile ones too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from digits.caffe.layers.base import Phase
from digits.caffe.net import Net
from digits.caffe.proto import caffe_pb2
from digits.inference import (
    BadRequest,
    InferenceError,
    NetSource,
    Pool,
    WorkerTimeout,
    check_network,
    draw_network,
    parse_net,
)
from digits.inference.operations import NetProblem

STANDARD = Path(__file__).parents[2] / "digits" / "standard-networks"
INPUT = (
    'layer { name: "data" type: "Input" top: "data" '
    "input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }"
)
SHAPES = {"data": (4, 3, 28, 28), "label": (4,)}
TRAIN_VAL = """\
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TRAIN } }
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST stage: "val" } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 10 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc"
  include { phase: TEST } accuracy_param { top_k: 5 } }
"""


def problem(pool: Pool, text: str, phase: str = "TRAIN") -> NetProblem:
    result = check_network(pool, [NetSource(text, "net", phase, data_shapes=SHAPES)])
    assert not result.ok
    assert result.nets == {}
    return result.problems[0]


def test_the_states_of_a_net_are_built_each_for_itself(shared_pool: Pool) -> None:
    result = check_network(
        shared_pool,
        [
            NetSource(TRAIN_VAL, "train", "TRAIN", data_shapes=SHAPES),
            NetSource(TRAIN_VAL, "val", "TEST", ("val",), SHAPES),
        ],
    )
    assert result.ok
    train, val = result.nets["train"], result.nets["val"]
    assert train.shapes == {"data": (4, 3, 28, 28), "label": (4,), "ip": (4, 10), "loss": ()}
    assert val.shapes["acc"] == ()
    assert train.outputs == ("loss",)
    assert set(val.outputs) == {"acc", "loss"}
    assert train.param_count == 10 * 3 * 28 * 28 + 10


@pytest.mark.parametrize("name", ["lenet", "alexnet", "googlenet"])
def test_the_standard_networks_are_sound(shared_pool: Pool, name: str) -> None:
    shapes = {"data": (2, 3, 227, 227), "label": (2,)}
    text = (STANDARD / f"{name}.prototxt").read_text()
    assert check_network(shared_pool, [NetSource(text, name, "TRAIN", data_shapes=shapes)]).ok


@pytest.mark.parametrize(
    ("text", "layer", "line", "message"),
    [
        ("layer {", None, 1, "The text ends with 1 '{' unclosed."),
        ("\nlayer { nme: 3 }", None, 2, "no field named \"nme\". Did you mean 'name'?"),
        ('\n\nlayer { name: "x" type: "Convolutin" }', "x", 3, "Did you mean 'Convolution'"),
        ('# layer\nlayer { name: "x" type: "ReLU" bottom: "y" top: "y" }', "x", 2, "bottom 'y'"),
        (
            INPUT + '\nlayer\n{ type: "Convolution" name: "c" bottom: "data" top: "c"'
            " convolution_param { num_output: 2 kernel_size: 9 } }",
            "c",
            3,
            "expected at least the kernel's size 9x9",
        ),
        (
            TRAIN_VAL.replace("phase: TEST }", "phase: TRAIN }").replace("k: 5", "k: 50"),
            "acc",
            6,
            "top_k is 50; expected 1 to 10",
        ),
        (INPUT + '\nlayer { name: "p" type: "Python" bottom: "data" top: "p" }', "p", 2, "Python"),
        ('layer { name: "d" type: "Data" top: "other" }', "d", 1, "data layers give data, label"),
    ],
)
def test_problems_are_located(
    shared_pool: Pool, text: str, layer: str | None, line: int, message: str
) -> None:
    found = problem(shared_pool, text)
    assert (found.layer, found.line, found.net) == (layer, line, "net")
    assert message in found.message


def test_sizes_beyond_all_memory_are_refused_without_taking_any(shared_pool: Pool) -> None:
    text = INPUT + (
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"'
        ' inner_product_param { num_output: 2000000000 weight_filler { type: "gaussian" } } }'
    )
    assert "INT_MAX" in problem(shared_pool, text).message
    # 8 GB of weights: too many for a worker to hold, but nothing is wrong with their shapes.
    result = check_network(shared_pool, [NetSource(text.replace("2000000000", "10000000"))])
    assert result.nets["network"].param_count == 10_000_000 * 193


def test_a_net_writes_no_file(shared_pool: Pool, tmp_path: Path) -> None:
    text = INPUT + (
        f'layer {{ name: "o" type: "HDF5Output" bottom: "data" bottom: "data"'
        f' hdf5_output_param {{ file_name: "{tmp_path}/out.h5" }} }}'
    )
    assert check_network(shared_pool, [NetSource(text)]).ok
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("text", ["layer { " * 100_000, "x" * 2_000_000, "\0\xff\ud800", ""])
def test_texts_that_are_no_nets(shared_pool: Pool, text: str) -> None:
    result = check_network(shared_pool, [NetSource(text)])
    assert not result.nets.get("network", None) or not result.nets["network"].shapes


@pytest.mark.slow
def test_a_check_that_takes_too_long_is_ended(shared_pool: Pool) -> None:
    text = INPUT + "".join(
        f'layer {{ name: "r{i}" type: "ReLU" bottom: "data" top: "t{i}" }}\n' for i in range(9000)
    )
    with pytest.raises(WorkerTimeout, match="did not answer within 0.1 s"):
        check_network(shared_pool, [NetSource(text)], timeout_s=0.1)
    assert check_network(shared_pool, [NetSource(INPUT)]).ok


def test_a_net_is_parsed_in_the_worker(shared_pool: Pool) -> None:
    net = caffe_pb2.NetParameter.FromString(parse_net(shared_pool, "layers { type: RELU }"))
    assert [layer.type for layer in net.layer] == ["ReLU"]
    with pytest.raises(BadRequest, match="^mine:1:7"):
        parse_net(shared_pool, "layer {", "mine")


def test_an_unknown_phase_is_named() -> None:
    with pytest.raises(BadRequest, match="The phase is TRAIN or TEST. Received: 'DEPLOY'"):
        NetSource(INPUT, phase="DEPLOY")


# Weights


def ip_net(name: str, outputs: int, more: str = "") -> str:
    return (
        INPUT
        + f"""
layer {{ name: "{name}" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param {{ num_output: {outputs} }} }}
layer {{ name: "other" type: "InnerProduct" bottom: "ip" top: "out"
  inner_product_param {{ num_output: 2 }} }}"""
        + more
    )


@pytest.fixture(params=["binary", "hdf5"])
def weights(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "net.prototxt").write_text(ip_net("ip", 5))
    net = Net(tmp_path / "net.prototxt", Phase.TEST)
    path = tmp_path / "w.caffemodel"
    (net.save if request.param == "binary" else net.save_hdf5)(path)
    return path


def test_weights_that_fit_are_named(shared_pool: Pool, weights: Path) -> None:
    result = check_network(shared_pool, [NetSource(ip_net("ip", 5))], weights)
    assert result.ok
    assert set(result.nets["network"].loaded_layers) == {"ip", "other"}
    assert result.nets["network"].skipped_weights == ()


def test_weights_of_other_layers_are_skipped_with_the_reason(
    shared_pool: Pool, weights: Path
) -> None:
    result = check_network(shared_pool, [NetSource(ip_net("ip_new", 5))], weights)
    assert result.ok
    check = result.nets["network"]
    assert check.loaded_layers == ("other",)
    assert {each.layer: each.reason for each in check.skipped_weights} == {
        "ip": "the network has no layer of this name",
        "ip_new": "the file has no weights for it, so it learns from scratch",
    }


def test_weights_that_do_not_fit_are_a_problem(shared_pool: Pool, weights: Path) -> None:
    result = check_network(shared_pool, [NetSource(ip_net("ip", 7))], weights)
    assert not result.ok
    first = result.problems[0]
    assert (first.layer, first.line, first.net) == ("ip", 2, "weights")
    assert "has the shape 5x192 in the weights, 7x192 in the network" in first.message
    assert "Rename the layer" in first.message


def test_files_that_are_no_weights(shared_pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no weights")
    for path in (tmp_path / "text", tmp_path / "missing", tmp_path):
        result = check_network(shared_pool, [NetSource(INPUT)], path)
        assert [each.net for each in result.problems] == ["weights"]
        assert path.name in result.problems[0].message


# Drawing


def test_a_net_is_drawn_with_its_shapes(shared_pool: Pool) -> None:
    net = NetSource(TRAIN_VAL, phase="TRAIN", data_shapes=SHAPES)
    svg = draw_network(shared_pool, net, "svg")
    assert svg.note == ""
    assert "4×3×28×28" in svg.png.decode()
    assert "acc" not in svg.png.decode()
    assert draw_network(shared_pool, net).png.startswith(b"\x89PNG")


def test_a_net_that_cannot_be_built_is_drawn_without_shapes(shared_pool: Pool) -> None:
    picture = draw_network(shared_pool, NetSource(TRAIN_VAL, phase="TRAIN"), "svg")
    assert "the shape of its top 'data' is not known" in picture.note
    assert b"SoftmaxWithLoss" in picture.png
    everything = draw_network(shared_pool, NetSource(TRAIN_VAL), "svg", all_states=True)
    assert everything.note == ""
    assert b"acc" in everything.png


def test_what_cannot_be_drawn_is_refused(shared_pool: Pool) -> None:
    with pytest.raises(BadRequest, match="The format is one of png, svg. Received: 'pdf'"):
        draw_network(shared_pool, NetSource(INPUT), "pdf")
    with pytest.raises(BadRequest, match="rankdir is one of"):
        draw_network(shared_pool, NetSource(INPUT), rankdir="sideways")
    with pytest.raises(BadRequest, match="network:1:7"):
        draw_network(shared_pool, NetSource("layer {"))
    tangle = "".join(
        f'layer {{ name: "l{i}" type: "Eltwise" bottom: "b{i // 2}" bottom: "b{i * 7 % 600}" '
        f'top: "b{i}" }}'
        for i in range(1, 1200)
    )
    with pytest.raises(InferenceError, match="too large for Graphviz to draw in time"):
        draw_network(shared_pool, NetSource(tangle), all_states=True, timeout_s=3)
