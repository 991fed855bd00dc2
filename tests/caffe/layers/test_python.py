"""Python layers: pycaffe's interface, gradients, parameters, errors, and who may run them."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from google.protobuf import text_format

from digits.caffe.errors import LayerError
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.net import Net
from digits.caffe.proto.caffe_pb2 import NetParameter
from tests.caffe.layers.harness import build_layer, noise, run

# What a user of pycaffe writes.
CODE = '''
import json
import caffe
import caffe.io
from caffe import layers as L
import numpy as np


class Scale(caffe.Layer):
    """top = factor * bottom; the factor is learned."""

    def setup(self, bottom, top):
        self.blobs.add_blob(1)
        self.blobs[0].data[...] = json.loads(self.param_str)["factor"]

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data * self.blobs[0].data[0]

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[...] = (top[0].diff * bottom[0].data).sum()
        if propagate_down[0]:
            bottom[0].diff[...] = top[0].diff * self.blobs[0].data[0]


class Loss(caffe.Layer):
    def setup(self, bottom, top):
        if len(bottom) != 2:
            raise Exception("needs two inputs")

    def reshape(self, bottom, top):
        self.difference = np.zeros_like(bottom[0].data)
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.difference[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = (self.difference ** 2).sum() / bottom[0].num / 2.0

    def backward(self, top, propagate_down, bottom):
        for index, sign in enumerate((1, -1)):
            if propagate_down[index]:
                bottom[index].diff[...] = (
                    sign * self.difference * top[0].diff[0] / bottom[index].num
                )


class Batches(caffe.Layer):
    """A data layer: no bottoms, another batch of another size each pass, chosen in reshape."""

    passes = 0

    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape(self.passes + 1, 2)

    def forward(self, bottom, top):
        top[0].data[...] = self.passes
        self.passes += 1

    def backward(self, top, propagate_down, bottom):
        pass


class ShowsPhase(Batches):
    def forward(self, bottom, top):
        top[0].data[...] = self.phase


class Broken(Batches):
    def forward(self, bottom, top):
        return 1 / 0


class Unfinished(caffe.Layer):
    def setup(self, bottom, top):
        pass
'''


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The code above as the module `their_layers` on the import path."""
    (tmp_path / "their_layers.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("their_layers", None)


def text_of(layer: str, more: str = "") -> str:
    fields = f'module: "their_layers" layer: "{layer}" {more}'
    return f'type: "Python" python_param {{ {fields} }}'


SCALE = text_of("Scale", "param_str: '{\"factor\": 2.5}'")


def test_forward_and_backward_see_blobs() -> None:
    layer = build_layer(SCALE, (2, 3), allow_python=True)
    layer.params = [torch.tensor([2.5]).requires_grad_()]
    bottom = noise(2, 3).requires_grad_()
    (top,) = run(layer, bottom)
    torch.testing.assert_close(top, 2.5 * bottom)
    (weights := noise(2, 3)).mul_(3)
    (top * weights).sum().backward()
    assert bottom.grad is not None
    torch.testing.assert_close(bottom.grad, 2.5 * weights)
    gradient = layer.params[0].grad
    assert gradient is not None
    torch.testing.assert_close(gradient, (weights * bottom.detach()).sum().reshape(1))


def test_a_bottom_in_any_layout_is_seen_in_caffes_order() -> None:
    layer = build_layer(SCALE, (2, 3, 4, 5), allow_python=True)
    layer.params = [torch.tensor([2.5])]
    bottom = noise(2, 3, 4, 5)
    (top,) = run(layer, bottom.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(top, 2.5 * bottom)


@pytest.mark.parametrize("keep_blobs", [True, False])
def test_a_net_learns_through_them(keep_blobs: bool) -> None:
    message = text_format.Parse(
        f"""
        layer {{ name: "data" type: "Input" top: "data" top: "label"
          input_param {{ shape {{ dim: 2 dim: 3 }} }} }}
        layer {{ name: "scale" bottom: "data" top: "scale" {SCALE} }}
        layer {{ name: "loss" bottom: "scale" bottom: "label" top: "loss" loss_weight: 1
          {text_of("Loss")} }}
        """,
        NetParameter(),
    )
    context = LayerContext(allow_python=True)
    net = Net(message, Phase.TRAIN, context=context, keep_blobs=keep_blobs)
    np.testing.assert_array_equal(net.params["scale"][0].data, [2.5])
    x = noise(2, 3).numpy()
    net.blobs["data"].data[...] = x
    for _ in range(2):  # a second pass must not find the first one's gradients
        net.clear_param_diffs()
        loss = net.forward_pass()
        net.backward_pass()
    assert float(loss.detach()) == pytest.approx((2.5 * x**2 * 2.5).sum() / 4, rel=1e-5)
    expected = (2.5 * x * x).sum() / 2
    assert net.params["scale"][0].diff[0] == pytest.approx(expected, rel=1e-5)


def test_reshape_is_asked_before_every_forward() -> None:
    message = text_format.Parse(
        f'layer {{ name: "batches" top: "data" {text_of("Batches")} }}'
        'layer { name: "sum" type: "Reduction" bottom: "data" top: "sum" }',
        NetParameter(),
    )
    net = Net(message, Phase.TRAIN, context=LayerContext(allow_python=True))
    for index in range(3):
        net.forward()
        assert net.blobs["data"].shape == (index + 1, 2)
        assert float(net.blobs["sum"].data) == (index + 1) * 2 * index


@pytest.mark.parametrize("phase", list(Phase))
def test_code_is_told_the_phase(phase: Phase) -> None:
    layer = build_layer(text_of("ShowsPhase"), phase=phase, allow_python=True)
    assert run(layer)[0].flatten().tolist() == [phase, phase]


def test_modules_find_this_package_under_pycaffes_name() -> None:
    build_layer(text_of("Batches"), allow_python=True)
    theirs = sys.modules["their_layers"]
    import digits.caffe  # noqa: PLC0415
    import digits.caffe.io  # noqa: PLC0415

    assert theirs.caffe is digits.caffe
    assert theirs.caffe.io is digits.caffe.io
    assert digits.caffe.__spec__ is not None
    assert digits.caffe.__spec__.name == "digits.caffe"


IMPORTS_LATE = """
import caffe
import their_helper

class Late(caffe.Layer):
    def setup(self, bottom, top):
        import caffe.draw
        their_helper.check()

    def reshape(self, bottom, top):
        top[0].reshape(1)

    def forward(self, bottom, top):
        from caffe.coord_map import crop
        import caffe
        top[0].data[...] = not hasattr(caffe, "another")
"""
HELPER = """
import caffe

def check():
    import caffe.io
    assert not hasattr(caffe, "another")
"""


@pytest.mark.parametrize("another", [False, True])
def test_the_name_caffe_means_what_it_did_once_a_layer_has_run(
    another: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "caffe"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "their_layers.py").write_text(IMPORTS_LATE)
    (tmp_path / "their_helper.py").write_text(HELPER)
    if another:
        (tmp_path / "caffe").mkdir()
        (tmp_path / "caffe" / "__init__.py").write_text("another = True")
        (tmp_path / "caffe" / "io.py").write_text("another = True")
        importlib.import_module("caffe.io")
    finders = list(sys.meta_path)
    layer = build_layer(text_of("Late"), allow_python=True)
    for _ in range(2):
        assert run(layer)[0].tolist() == [1]
        names = sorted(name for name in sys.modules if name.partition(".")[0] == "caffe")
        assert names == (["caffe", "caffe.io"] if another else [])
        assert sys.meta_path == finders
    sys.modules.pop("their_helper")
    if another:
        assert importlib.import_module("caffe").another
        for name in ("caffe", "caffe.io"):
            sys.modules.pop(name)
    else:
        with pytest.raises(ModuleNotFoundError, match="No module named 'caffe'"):
            importlib.import_module("caffe")


def test_they_are_refused_unless_allowed() -> None:
    with pytest.raises(LayerError, match="Python layers run code that comes with the network"):
        build_layer(text_of("Batches"))


@pytest.mark.parametrize(
    ("text", "bottoms", "error", "step"),
    [
        (text_of("Missing"), 0, AttributeError, "loading of their_layers.Missing"),
        (
            'type: "Python" python_param { module: "no_such_module" layer: "L" }',
            0,
            ModuleNotFoundError,
            "loading of no_such_module.L",
        ),
        (text_of("Loss"), 1, Exception, "setup of their_layers.Loss"),
        (text_of("Scale"), 1, json.JSONDecodeError, "setup of their_layers.Scale"),
        (text_of("Unfinished"), 0, NotImplementedError, "reshape of their_layers.Unfinished"),
    ],
)
def test_what_their_code_raises_comes_through_with_a_note_on_the_layer(
    text: str, bottoms: int, error: type[Exception], step: str
) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # of exactly this type
        build_layer(text, *[(2, 3)] * bottoms, allow_python=True)
    assert caught.type is error
    assert caught.value.__notes__ == [f"in {step}, the code of layer 'l' (Python)"]


@pytest.mark.parametrize("method", ["setup", "reshape", "forward", "backward"])
@pytest.mark.parametrize("error", ["RuntimeError('mine')", "KeyError('mine')"])
@pytest.mark.parametrize("keep_blobs", [True, False])
def test_a_net_raises_what_their_code_raises(
    tmp_path: Path, method: str, error: str, keep_blobs: bool
) -> None:
    code = CODE + f"\nclass Raises(Scale):\n    def {method}(self, *_):\n        raise {error}\n"
    (tmp_path / "their_layers.py").write_text(code)
    layer = text_of("Raises", "param_str: '{\"factor\": 2.5}'")
    text = (
        'input: "x" input_shape { dim: 2 } layer { name: "p" bottom: "x" top: "t" '
        f"{layer} loss_weight: 1 }}"
    )
    (tmp_path / "net.prototxt").write_text(text)
    context = LayerContext(phase=Phase.TRAIN, allow_python=True)

    def run_net() -> None:
        net = Net(tmp_path / "net.prototxt", Phase.TRAIN, context=context, keep_blobs=keep_blobs)
        net.forward_pass()
        net.backward_pass()

    with pytest.raises((RuntimeError, KeyError), match="mine") as caught:
        run_net()
    assert caught.type.__name__ == error.partition("(")[0]
    assert method in caught.value.__notes__[0]


def test_net_layers_has_their_object_with_the_nets_parameters(tmp_path: Path) -> None:
    text = f'layer {{ name: "p" top: "t" {text_of("Batches")} }}'
    text += f'layer {{ name: "s" bottom: "t" top: "s" {SCALE} loss_weight: 1 }}'
    (tmp_path / "net.prototxt").write_text(text)
    net = Net(tmp_path / "net.prototxt", Phase.TRAIN)
    net.forward()
    assert net.layers[0].passes == 1
    (factor,) = net.layers[1].blobs
    assert factor is net.params["s"][0]
    assert factor.data[0] == 2.5
    factor.data[0] = 3
    net.layers[0].passes = 4
    assert net.forward()["s"].sum() == 3 * 4 * 10
    net.blobs["s"].diff[...] = 1
    net.backward()
    assert factor.diff[0] == 4 * 10
    net.clear_param_diffs()
    assert factor.diff[0] == 0
