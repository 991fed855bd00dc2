"""Run ONNX models by onnxruntime, and compare what they give with the engine."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime

from digits.caffe.export.net import open_net
from digits.caffe.formats.prototxt import parse_text
from digits.caffe.machine.randomness import default_randomness
from digits.caffe.net import Net
from digits.caffe.proto import caffe_pb2

# Of the largest value of an array.
CLOSE = 1e-5

Arrays = dict[str, np.ndarray]


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """The model on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run_model(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> Arrays:
    """The model's outputs for these inputs."""
    running = session(model)
    names = [port.name for port in running.get_outputs()]
    return dict(zip(names, running.run(names, dict(feeds)), strict=True))


def run_net(net: Net, feeds: Mapping[str, np.ndarray]) -> None:
    """One pass of the engine, which remembers nothing of passes before."""
    for name, values in feeds.items():
        net.blobs[name].reshape(*values.shape)
        net.blobs[name].data[...] = values
    for layer in net.engine_layers:
        if hasattr(layer, "carried"):
            layer.carried = []
    net.forward()


def assert_equal(net: Net, model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> None:
    """Fail unless the engine and the model give the same for these inputs."""
    found = run_model(model, feeds)
    run_net(net, feeds)
    made = [name for name in net.outputs if net.written_by(name)[0].type != "Input"]
    assert len(found) == len(made)
    for name, values in found.items():
        # An input that was changed in place has the name of the layer behind its own.
        blob = name if name in made else next(b for b in made if name.startswith(f"{b}/"))
        assert_close(values, net.blobs[blob].data, name)


def assert_close(found: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Fail unless two arrays are equal to 1e-5 of the largest value; NaN must meet NaN."""
    expected = np.asarray(expected)
    assert found.shape == expected.shape, f"{what}: {found.shape}, expected {expected.shape}"
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[~finite], expected[~finite], what)
    if finite.any():
        gap = np.abs(found[finite] - expected[finite]).max()
        assert gap <= CLOSE * np.abs(expected[finite]).max(), f"{what} differs by {gap:.3g}"


def random_feeds(net: Net, times: int = 1) -> Arrays:
    """Random inputs of the net's shapes, with so many times as many items."""
    numbers = np.random.default_rng(times)
    shapes = {name: tuple(net.blobs[name].shape) for name in net.inputs}
    return {
        name: numbers.standard_normal((times * shape[0], *shape[1:])).astype(np.float32)
        for name, shape in shapes.items()
    }


def net_of(text: str, seed: int = 1) -> Net:
    """The net of a prototxt text for the export, its parameters seeded."""
    default_randomness().seed(seed)
    return open_net(parse_text(text, caffe_pb2.NetParameter()), None)


def one_layer(layer: str, *shapes: str) -> str:
    """A prototxt of a layer `x` with a bottom `inN` for each shape ("2 3 4 4"), and a top `out`."""
    text = ""
    for number, shape in enumerate(shapes):
        dims = " ".join(f"dim: {size}" for size in shape.split())
        text += f'layer {{ name: "i{number}" type: "Input" top: "in{number}" '
        text += f"input_param {{ shape {{ {dims} }} }} }}\n"
    bottoms = " ".join(f'bottom: "in{number}"' for number in range(len(shapes)))
    return f'{text}layer {{ name: "x" {bottoms} top: "out" {layer} }}\n'
