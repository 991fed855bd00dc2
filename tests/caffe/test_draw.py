"""Drawing nets with a real Graphviz."""

from __future__ import annotations

import sys
import time
from io import BytesIO
from pathlib import Path

import pytest
from google.protobuf import text_format
from PIL import Image

from digits.caffe import draw
from digits.caffe.machine.graphviz import DrawError, find_graphviz, render
from digits.caffe.net_spec import NetSpec
from digits.caffe.net_spec import layers as L
from digits.caffe.proto import caffe_pb2

STANDARD = Path(__file__).parents[2] / "digits" / "standard-networks"


def parse(text: str) -> caffe_pb2.NetParameter:
    return text_format.Parse(text, caffe_pb2.NetParameter())


def small() -> caffe_pb2.NetParameter:
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 3, 8, 8]})
    n.conv = L.Convolution(n.data, num_output=4, kernel_size=3, pad=1, param=[{"lr_mult": 2}])
    n.relu = L.ReLU(n.conv, in_place=True)
    n.pool = L.Pooling(n.relu, kernel_h=2, kernel_w=3, stride=2)
    n.ip = L.InnerProduct(n.pool, num_output=10)
    return n.to_proto()


def edges(graph: object) -> set[tuple[str, str]]:
    """(label of the source node, label of the target node) of every edge, first words only."""
    labels = {node.get_name(): first_word(node) for node in graph.get_nodes()}  # type: ignore[attr-defined]
    return {
        (labels[edge.get_source()], labels[edge.get_destination()])
        for edge in graph.get_edges()  # type: ignore[attr-defined]
    }


def first_word(node: object) -> str:
    label = node.get_label() or ""  # type: ignore[attr-defined]
    kind = "layer " if "box" in (node.get_shape() or "") else ""  # type: ignore[attr-defined]
    return kind + label.strip('"').replace("\\n", " ").split(" ")[0]


def test_an_in_place_layer_stands_between_the_layer_and_its_blob() -> None:
    assert edges(draw.get_pydot_graph(small(), "TB")) == {
        ("layer data", "data"),
        ("data", "layer conv"),
        ("layer conv", "layer relu"),
        ("layer relu", "conv"),
        ("conv", "layer pool"),
        ("layer pool", "pool"),
        ("pool", "layer ip"),
        ("layer ip", "ip"),
    }


def test_a_value_read_before_it_is_overwritten_keeps_its_node() -> None:
    net = parse(
        """layer { name: "d" type: "Input" top: "x" }
        layer { name: "side" type: "Power" bottom: "x" top: "y" }
        layer { name: "r" type: "ReLU" bottom: "x" top: "x" }"""
    )
    assert edges(draw.get_pydot_graph(net, "LR")) == {
        ("layer d", "x"),
        ("x", "layer side"),
        ("layer side", "y"),
        ("x", "layer r"),
        ("layer r", "x"),
    }


def test_old_inputs_are_drawn_with_their_shape() -> None:
    net = parse('input: "data" layer { name: "r" type: "ReLU" bottom: "data" top: "y" }')
    text = draw.get_pydot_graph(net, "LR", shapes={"data": (1, 2), "y": ()}).to_string()
    assert '"data\\n1×2"' in text
    assert "label=scalar" in text.replace('"', "")


def test_shapes_or_numbers_of_units_stand_on_the_edges() -> None:
    with_units = draw.get_pydot_graph(small(), "LR").to_string()
    assert 'label="4"' in with_units
    assert 'label="4"' not in draw.get_pydot_graph(small(), "LR", label_edges=False).to_string()
    shapes = {"data": (1, 3, 8, 8), "conv": (1, 4, 8, 8), "pool": (1, 4, 4, 3), "ip": (1, 10)}
    with_shapes = draw.get_pydot_graph(small(), "LR", shapes=shapes).to_string()
    for label in ("1×3×8×8", "1×4×8×8", "1×4×4×3", "1×10"):
        assert f'label="{label}"' in with_shapes


def test_labels_say_what_shapes_the_output() -> None:
    conv, _relu, pool = small().layer[1:4]
    assert draw.get_layer_label(conv, "TB") == (
        '"conv (Convolution) kernel size: 3 stride: 1 pad: 1"'
    )
    assert draw.get_layer_label(pool, "LR") == (
        '"pool\\n(Pooling)\\nMAX\\nkernel size: 2x3\\nstride: 2\\npad: 0"'
    )
    assert "lr mult: 2, 1" in draw.get_layer_label(conv, "LR", display_lrm=True)
    assert draw.get_edge_label(pool) == '""'


def test_kinds_of_layers_have_colours_of_their_own() -> None:
    kinds = ["Convolution", "Pooling", "InnerProduct", "ReLU", "LRN", "Data", "Softmax", "Concat"]
    assert len({draw.choose_color_by_layertype(kind) for kind in kinds}) == len(kinds)


def test_learning_rate_factors_only_where_there_are_weights() -> None:
    assert draw.get_layer_lr_mult(small().layer[1]) == (2.0, 1.0)
    with pytest.raises(ValueError, match="ReLU layers do not have a learning rate multiplier"):
        draw.get_layer_lr_mult(small().layer[2])


def test_a_phase_leaves_out_the_other_ones_layers() -> None:
    net = parse(
        """layer { name: "train" type: "Data" top: "a" include { phase: TRAIN } }
        layer { name: "test" type: "Data" top: "b" exclude { phase: TRAIN } }
        layer { name: "both" type: "ReLU" bottom: "a" top: "c" include { stage: "x" } }"""
    )
    train = draw.get_pydot_graph(net, "LR", phase=caffe_pb2.TRAIN).to_string()
    test = draw.get_pydot_graph(net, "LR", phase=caffe_pb2.TEST).to_string()
    assert "train" in train
    assert "test" not in train
    assert "both" in train
    assert "train" not in test
    net.layer[0].exclude.add(phase=caffe_pb2.TEST)
    with pytest.raises(ValueError, match="layer train has both include and exclude"):
        draw.get_pydot_graph(net, "LR", phase=caffe_pb2.TEST)


@pytest.mark.parametrize(("rankdir", "phase"), [("sideways", None), ("LR", 7)])
def test_unknown_directions_and_phases_are_named(rankdir: str, phase: int | None) -> None:
    with pytest.raises(ValueError, match="Received: ('sideways'|7)"):
        draw.get_pydot_graph(small(), rankdir, phase=phase)


@pytest.mark.parametrize("rankdir", ["LR", "TB", "BT", "RL", "UD"])
def test_pictures_in_every_direction(rankdir: str) -> None:
    with Image.open(BytesIO(draw.draw_net(small(), rankdir))) as image:
        tall = image.height > image.width
    assert tall == (rankdir in ("TB", "BT", "UD"))


def test_the_files_ending_says_the_format(tmp_path: Path) -> None:
    draw.draw_net_to_file(small(), tmp_path / "net.svg", rankdir="TB")
    assert b"<svg" in (tmp_path / "net.svg").read_bytes()
    draw.draw_net_to_file(small(), str(tmp_path / "net.png"))
    assert (tmp_path / "net.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="ending says the format"):
        draw.draw_net_to_file(small(), tmp_path / "net")


def test_names_of_any_kind_are_drawn_as_they_are() -> None:
    hostile = 'a"]; node [shape=star]; "<b>&\\N \n\t:x,ü'
    net = caffe_pb2.NetParameter(name=hostile)
    net.layer.add(name=hostile, type=hostile, top=[hostile])
    svg = draw.draw_net(net, "LR", "svg").decode()
    assert "shape=star" in svg
    assert "&lt;b&gt;&amp;" in svg
    assert svg.count('class="node"') == 2


@pytest.mark.parametrize("ext", ["png", "svg"])
def test_graphviz_from_pip_draws_where_there_is_no_dot(tmp_path: Path, ext: str) -> None:
    (tmp_path / "graphviz-pure").symlink_to(Path(sys.executable).parent / "graphviz-pure")
    program = find_graphviz(str(tmp_path))
    assert program == str(tmp_path / "graphviz-pure")
    text = draw.get_pydot_graph(small(), "TB").to_string()
    assert {"png": b"\x89PNG", "svg": b"<svg"}[ext] in render(text, ext, program=program)


def test_a_missing_graphviz_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(DrawError, match=r"apt install graphviz.*pip install graphviz-pure"):
        find_graphviz(str(tmp_path))


def test_what_graphviz_refuses_is_passed_on() -> None:
    with pytest.raises(DrawError, match="-Tnonsense failed"):
        draw.draw_net(small(), "LR", "nonsense")
    with pytest.raises(DrawError, match="failed"):
        render("no graph {", "png")


def test_drawing_ends_at_its_time_limit() -> None:
    net = caffe_pb2.NetParameter()
    for index in range(3000):
        net.layer.add(
            name=f"l{index}", type="ReLU", bottom=["x", f"b{index // 2}"], top=[f"b{index}"]
        )
    with pytest.raises(DrawError, match="too large for Graphviz to draw in time"):
        draw.draw_net(net, "LR", timeout_s=0.3)


def test_googlenet_is_drawn_in_time() -> None:
    net = parse((STANDARD / "googlenet.prototxt").read_text())
    assert len(net.layer) > 130
    started = time.process_time()
    assert draw.draw_net(net, "TB", "svg")
    # Ours alone; Graphviz runs in another process.
    assert time.process_time() - started < 3
