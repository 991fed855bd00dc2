"""The program that exports a network: files whole or not at all, or the reason why not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from digits.caffe.export.net import export_net
from digits.caffe.export.saving import save
from digits.caffe.formats.prototxt import parse_text
from digits.caffe.net import Net
from digits.caffe.proto import caffe_pb2
from digits.errors import DigitsError, ToolError
from digits.inference.export import export
from digits.inference.exporting.figures import read_figures
from digits.inference.exporting.memory import memory_limit, memory_needed
from digits.inference.exporting.page import RUNTIME_FILES, page_facts, write_page
from digits.inference.exporting.quantizing import quantize
from digits.inference.exporting.request import FIGURES_FILE, MODEL_FILE, ExportRequest
from digits.inference.operations import Network
from tests.disks import Disk

DEPLOY = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
%s
layer { name: "soft" type: "Softmax" bottom: "ip" top: "soft" }
"""


@pytest.fixture
def network(tmp_path: Path) -> Network:
    """A network with weights, of pictures of 8 x 8."""
    deploy, weights, labels = (tmp_path / name for name in ("deploy.prototxt", "w", "labels.txt"))
    deploy.write_text(DEPLOY % "")
    net = Net(parse_text(DEPLOY % "", caffe_pb2.NetParameter()), caffe_pb2.TEST)
    net.save(str(weights))
    net.close()
    labels.write_text("cat\ndog\n")
    return Network(deploy, weights, 8, 8, 3, labels=labels)


def asked(network: Network, **values: object) -> ExportRequest:
    request = ExportRequest(network, "onnx", True, "none", "Cats <b>", {"about": '{"A": "1"}'})
    return replace(request, **values)  # type: ignore[arg-type]


def test_a_file_is_made_with_its_figures(network: Network, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    words = export(asked(network), folder)
    assert words.startswith("model.onnx: ")
    figures = read_figures(folder)
    assert figures is not None
    assert figures.file_bytes == (folder / MODEL_FILE).stat().st_size
    assert (figures.pictures, figures.model.accuracy) == (0, None)
    assert sorted(path.name for path in folder.iterdir()) == [FIGURES_FILE, MODEL_FILE]
    session = onnxruntime.InferenceSession(str(folder / MODEL_FILE))
    (found,) = session.run(None, {"image": np.zeros((5, 9, 3), np.uint8)})
    assert found.sum() == pytest.approx(1, abs=1e-5)


def test_a_snapshot_that_is_gone_is_named_and_nothing_is_left(
    network: Network, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    network.weights.unlink()
    with pytest.raises(DigitsError, match="The snapshot w is gone: it was deleted meanwhile"):
        export(asked(network), folder)
    assert list(folder.iterdir()) == []


def test_a_layer_that_has_no_form_in_onnx_is_named(network: Network, tmp_path: Path) -> None:
    layer = 'layer { name: "mine" type: "Python" bottom: "ip" top: "ip" }'
    network.deploy.write_text(DEPLOY % layer)
    with pytest.raises(DigitsError, match=r"layer 'mine' \(Python\): cannot become ONNX"):
        export(asked(network), tmp_path)


def test_int8_without_pictures_is_refused(network: Network, tmp_path: Path) -> None:
    with pytest.raises(DigitsError, match="int8 needs pictures to calibrate with"):
        export(asked(network, quantize="int8"), tmp_path)


def test_a_full_disk_leaves_nothing(network: Network, small_disk: Disk) -> None:
    small_disk.fill()
    with pytest.raises(OSError, match="No space left"):
        export(asked(network), small_disk.path)
    assert not list(small_disk.path.glob("*.onnx"))
    assert not list(small_disk.path.glob(".making-*"))


def test_int8_says_that_the_disk_is_too_full_for_its_copies(small_disk: Disk) -> None:
    model = small_disk.path / MODEL_FILE
    with model.open("wb") as file:
        file.truncate(5 << 20)  # more than half of the disk, were it not sparse
    small_disk.fill()
    with pytest.raises(ToolError, match=r"No space left on device: making int8 takes 10.*0 bytes"):
        quantize(model, small_disk.path / "int8.onnx", iter(()))


SUM = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "sum" type: "Convolution" bottom: "data" top: "sum"
  convolution_param { num_output: 2 kernel_size: 8 weight_filler { type: "constant" value: 0.1 } } }
"""


def test_int8_cuts_no_sum_off_also_where_processors_add_in_16_bits(tmp_path: Path) -> None:
    learned, smaller = tmp_path / "learned.onnx", tmp_path / "smaller.onnx"
    save(export_net(parse_text(SUM, caffe_pb2.NetParameter()), None), learned)
    levels = [0, 120, 250]
    feeds = [{"data": np.full((1, 3, 8, 8), level, np.float32)} for level in levels]
    quantize(learned, smaller, iter(feeds))
    (weights,) = (
        onnx.numpy_helper.to_array(each)
        for each in onnx.load(smaller).graph.initializer
        if len(each.dims) == 4
    )
    assert (weights.dtype, abs(weights).max()) == (np.int8, 64)
    session = onnxruntime.InferenceSession(str(smaller))
    for level, given in zip(levels, feeds, strict=True):
        (found,) = session.run(None, given)
        expected = 0.1 * 3 * 8 * 8 * level
        assert found.ravel() == pytest.approx([expected] * 2, rel=0.01, abs=10)  # one of 256 levels


def test_a_page_without_what_runs_it_is_refused(network: Network, tmp_path: Path) -> None:
    with pytest.raises(DigitsError, match="onnxruntime-web, which runs a model in a browser"):
        export(asked(network, format="page", runtime=tmp_path / "nothing"), tmp_path)


def test_nothing_that_a_model_says_gets_out_of_its_place_in_the_page(tmp_path: Path) -> None:
    for name in RUNTIME_FILES:
        (tmp_path / name).write_text(f"{name} </script> <!--")
    model, page = tmp_path / "model", tmp_path / "page.html"
    model.write_bytes(b"model")
    title = "</title><script>alert(1)</script>{facts}"
    facts = page_facts(["</script><b>"], [("{style}", "-->")], is_probability=True)
    write_page(model, page, tmp_path, title, facts)
    text = page.read_text()
    assert "alert(1)</script>" not in text
    assert "</script><b>" not in text
    # Three blocks of data, the facts, two scripts.
    assert text.count("</script>") == 6
    assert json.dumps(facts).replace("<", "\\u003c") in text


def test_memory_grows_with_the_weights_and_more_so_for_int8() -> None:
    half_a_gigabyte = 500 << 20
    plain, int8 = (memory_needed(half_a_gigabyte, is_int8=is_int8) for is_int8 in (False, True))
    assert memory_needed(0, is_int8=False) < plain < int8 < 6 << 30
    assert memory_limit(half_a_gigabyte, is_int8=True) > int8
