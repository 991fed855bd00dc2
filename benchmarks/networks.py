"""The networks that are measured, with inputs in memory.

DIGITS' three standard ones, ResNet-50 and EfficientNet-Lite0.  `deploy_net` and `train_net` give
prototxt messages; `handwritten.py` has the same networks in PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from digits.caffe import net_spec
from digits.caffe.formats import upgrade
from digits.caffe.net_spec import layers as L
from digits.caffe.net_spec import params as P
from digits.caffe.proto.caffe_pb2 import NetParameter

STANDARD = Path(__file__).parent.parent / "digits" / "standard-networks"
# Channels, height and width of a picture, and the number of classes.
INPUTS = {
    "lenet": (1, 28, 28),
    "alexnet": (3, 227, 227),
    "googlenet": (3, 224, 224),
    "resnet50": (3, 224, 224),
    "lite0": (3, 224, 224),
}
CLASSES = {"lenet": 10, "alexnet": 1000, "googlenet": 1000, "resnet50": 1000, "lite0": 1000}
# EfficientNet-Lite0's stages: repeats, kernel, stride, expansion, outputs.
LITE0 = [
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
]  # fmt: skip


def deploy_net(name: str, batch: int) -> NetParameter:
    """The network for inference: an input "data", and class probabilities."""
    if name in _OURS:
        return _with_inputs(_OURS[name](), {"data": (batch, *INPUTS[name])})
    net = NetParameter()
    net.CopyFrom(_standard(name))
    # Only what the scores are made of: no losses, no accuracies, no auxiliary branches.
    wanted, kept = {_scores(name)}, []
    for layer in reversed(net.layer):
        if wanted.intersection(layer.top) and layer.type != "Accuracy":
            kept.append(layer)
            wanted.update(layer.bottom)
    kept.reverse()
    del net.layer[:]
    net.layer.extend(kept)
    net.layer.add(name="prob", type="Softmax", bottom=[_scores(name)], top=["prob"])
    return _with_inputs(net, {"data": (batch, *INPUTS[name])})


def train_net(name: str, batch: int) -> NetParameter:
    """The network for training, its pictures "data" and labels "label" in memory."""
    net = _OURS[name]() if name in _OURS else NetParameter()
    if name in _OURS:
        prob = net.layer.pop()
        net.layer.add(
            name="loss", type="SoftmaxWithLoss", bottom=[*prob.bottom, "label"], top=["loss"]
        )
    else:
        net.CopyFrom(_standard(name))
    return _with_inputs(net, {"data": (batch, *INPUTS[name]), "label": (batch,)})


def _standard(name: str) -> NetParameter:
    net = upgrade.read_net(STANDARD / f"{name}.prototxt")
    kept = [layer for layer in net.layer if layer.type != "Data"]
    del net.layer[:]
    net.layer.extend(kept)
    return net


def _scores(name: str) -> str:
    return {"lenet": "ip2", "alexnet": "fc8", "googlenet": "loss3/classifier"}[name]


def _with_inputs(net: NetParameter, shapes: dict[str, tuple[int, ...]]) -> NetParameter:
    result = NetParameter(name=net.name)
    for blob, shape in shapes.items():
        layer = result.layer.add(name=blob, type="Input", top=[blob])
        layer.input_param.shape.add(dim=shape)
    result.layer.extend(net.layer)
    # The scores may be too many for this data set's classes only in training.
    for layer in result.layer:
        if layer.type == "InnerProduct" and not layer.inner_product_param.num_output:
            layer.inner_product_param.num_output = CLASSES[net.name.lower()]
    return result


def _resnet50() -> NetParameter:
    """He, Zhang, Ren and Sun, "Deep residual learning for image recognition" (2015), 50 layers."""
    n = net_spec.NetSpec()
    n.data = L.Input(shape={"dim": [1, 3, 224, 224]})
    top = _normalised(n, "conv1", n.data, 64, kernel_size=7, stride=2, pad=3)
    n.pool1 = top = L.Pooling(_relu(n, "conv1", top), pool=P.Pooling.MAX, kernel_size=3, stride=2)
    for stage, (blocks, width) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)], 2):
        for block in range(blocks):
            stride = 2 if stage > 2 and block == 0 else 1
            top = _bottleneck(n, f"res{stage}{'abcdef'[block]}", top, width, stride, block == 0)
    n.pool5 = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
    n.fc1000 = L.InnerProduct(n.pool5, num_output=1000, weight_filler={"type": "xavier"})
    n.prob = L.Softmax(n.fc1000)
    net = n.to_proto()
    del net.layer[0]  # the input, which the caller gives
    return net


def _lite0() -> NetParameter:
    """EfficientNet-Lite0: Tan and Le, "EfficientNet" (2019), without squeezing, ReLU6 for swish."""
    n = net_spec.NetSpec()
    n.data = L.Input(shape={"dim": [1, 3, 224, 224]})
    top = _relu6(n, "stem", _normalised(n, "stem", n.data, 32, kernel_size=3, stride=2, pad=1))
    ins = 32
    for stage, (repeats, kernel, stride, expansion, outs) in enumerate(LITE0, 1):
        for block in range(repeats):
            name, step = f"b{stage}{'abcd'[block]}", 1 if block else stride
            top = _inverted(n, name, top, (ins, ins * expansion, outs), kernel, step)
            ins = outs
    top = _relu6(n, "head", _normalised(n, "head", top, 1280, kernel_size=1))
    n.pool = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
    n.fc = L.InnerProduct(n.pool, num_output=1000, weight_filler={"type": "xavier"})
    n.prob = L.Softmax(n.fc)
    net = n.to_proto()
    del net.layer[0]  # the input, which the caller gives
    return net


def _inverted(
    n: net_spec.NetSpec,
    name: str,
    bottom: net_spec.Top,
    widths: tuple[int, int, int],
    kernel: int,
    stride: int,
) -> net_spec.Top:
    """Wider by a 1 x 1 convolution, one filter a channel, narrower again; plus the bottom."""
    ins, inner, outs = widths
    top = bottom
    if inner != ins:
        top = _relu6(n, f"{name}_wide", _normalised(n, f"{name}_wide", top, inner, kernel_size=1))
    geometry = {"kernel_size": kernel, "stride": stride, "pad": kernel // 2, "group": inner}
    top = _relu6(n, f"{name}_each", _normalised(n, f"{name}_each", top, inner, **geometry))
    top = _normalised(n, f"{name}_narrow", top, outs, kernel_size=1)
    if stride > 1 or ins != outs:
        return top
    n[name] = L.Eltwise(bottom, top)
    return n[name]


def _relu6(n: net_spec.NetSpec, name: str, bottom: net_spec.Top) -> net_spec.Top:
    n[f"{name}_relu6"] = L.Clip(bottom, in_place=True, min=0, max=6)
    return n[f"{name}_relu6"]


def _bottleneck(
    n: net_spec.NetSpec, name: str, bottom: net_spec.Top, width: int, stride: int, first: bool
) -> net_spec.Top:
    short = bottom
    if first:
        short = _normalised(n, f"{name}_branch1", bottom, 4 * width, kernel_size=1, stride=stride)
    top = _normalised(n, f"{name}_branch2a", bottom, width, kernel_size=1, stride=stride)
    top = _relu(n, f"{name}_branch2a", top)
    top = _normalised(n, f"{name}_branch2b", top, width, kernel_size=3, pad=1)
    top = _relu(n, f"{name}_branch2b", top)
    top = _normalised(n, f"{name}_branch2c", top, 4 * width, kernel_size=1)
    n[name] = L.Eltwise(short, top)
    return _relu(n, name, n[name])


def _normalised(
    n: net_spec.NetSpec, name: str, bottom: net_spec.Top, outputs: int, **geometry: int
) -> net_spec.Top:
    """A convolution without bias, BatchNorm and Scale in place."""
    filler = {"type": "msra"}
    n[name] = L.Convolution(
        bottom, num_output=outputs, bias_term=False, weight_filler=filler, **geometry
    )
    n[f"bn_{name}"] = L.BatchNorm(n[name], in_place=True)
    n[f"scale_{name}"] = L.Scale(n[f"bn_{name}"], bias_term=True, in_place=True)
    return n[f"scale_{name}"]


def _relu(n: net_spec.NetSpec, name: str, bottom: net_spec.Top) -> net_spec.Top:
    n[f"{name}_relu"] = L.ReLU(bottom, in_place=True)
    return n[f"{name}_relu"]


_OURS: dict[str, Callable[[], NetParameter]] = {"resnet50": _resnet50, "lite0": _lite0}
