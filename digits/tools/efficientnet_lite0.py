"""EfficientNet-Lite0 as networks of Caffe 1.0, from the table of its architecture.

Out: NetParameters, and for each layer the names under which PyTorch's file keeps its weights.
The input is B,G,R pixels with 127 subtracted, divided by 128.  Layers that halve a picture were
trained with padding at its end alone (TensorFlow's SAME on even sizes); here their kernels are one
larger, with a first row and column of zeros, which is the same.

Source: Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks"
(2019), as its Lite variant: no squeezing, ReLU6 in place of swish.
Elsewhere: the weights' file (`pretrained_weights.py`); the prototxt that people see is written by
`scripts/standard_networks.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from digits.caffe.proto import caffe_pb2
from digits.caffe.proto.caffe_pb2 import LayerParameter, NetParameter, PoolingParameter

TITLE = "EfficientNet-Lite0"
SIDE = 224
MEAN, SCALE = 127.0, 1 / 128
BATCH_SIZE = 32
# The classifier of ImageNet's categories; a training's own has another name, and begins afresh.
IMAGENET_LAYER, TRAINED_LAYER = "imagenet", "fc"
IMAGENET_CLASSES = 1000
# Repeats, kernel, stride of the first, expansion, outputs.
STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip
STEM, HEAD = 32, 1280
_EPS, _FRACTION = 0.001, 0.99


@dataclass(frozen=True)
class ConvolutionSpec:
    """A convolution with BatchNorm and Scale; `key` and `norm_key` lead to its weights."""

    name: str
    key: str
    norm_key: str
    outputs: int
    kernel: int
    stride: int = 1
    group: int = 1
    is_clipped: bool = True

    @property
    def is_padded_at_end(self) -> bool:
        """Whether its kernel is one larger, with a first row and column of zeros."""
        return self.stride == 2


@dataclass(frozen=True)
class BlockSpec:
    """Wider by a 1 x 1 convolution, one filter a channel, narrower again; plus the bottom."""

    name: str
    convolutions: tuple[ConvolutionSpec, ...]
    adds_bottom: bool


def stem() -> ConvolutionSpec:
    """The first layer."""
    return ConvolutionSpec("stem", "_conv_stem", "_bn0", STEM, 3, stride=2)


def head() -> ConvolutionSpec:
    """The last convolution, whose means over the picture are its features."""
    return ConvolutionSpec("head", "_conv_head", "_bn1", HEAD, 1)


def blocks() -> Iterator[BlockSpec]:
    """All blocks, in order."""
    number, inputs = 0, STEM
    for repeats, kernel, first_stride, expansion, outputs in STAGES:
        for repeat in range(repeats):
            stride = 1 if repeat else first_stride
            yield _block(number, kernel, stride, inputs, expansion, outputs)
            number, inputs = number + 1, outputs


def _block(
    number: int, kernel: int, stride: int, inputs: int, expansion: int, outputs: int
) -> BlockSpec:
    name, key, inner = f"b{number}", f"_blocks.{number}", inputs * expansion
    expand = ConvolutionSpec(f"{name}_expand", f"{key}._expand_conv", f"{key}._bn0", inner, 1)
    each = ConvolutionSpec(
        f"{name}_dw", f"{key}._depthwise_conv", f"{key}._bn1", inner, kernel, stride, inner
    )
    project = ConvolutionSpec(
        f"{name}_project", f"{key}._project_conv", f"{key}._bn2", outputs, 1, is_clipped=False
    )
    convolutions = (*([expand] if expansion > 1 else []), each, project)
    return BlockSpec(name, convolutions, stride == 1 and inputs == outputs)


def convolutions() -> Iterator[ConvolutionSpec]:
    """All convolutions, in order."""
    yield stem()
    for block in blocks():
        yield from block.convolutions
    yield head()


def training_network() -> NetParameter:
    """The network to be trained, as the form offers it: Data layers without a source, a loss."""
    net = NetParameter(name=TITLE)
    for name, phase in (("train-data", caffe_pb2.TRAIN), ("val-data", caffe_pb2.TEST)):
        data = net.layer.add(name=name, type="Data", top=["data", "label"])
        data.include.add(phase=phase)
        data.transform_param.scale = SCALE
        data.transform_param.crop_size = SIDE
        data.transform_param.mean_value.append(MEAN)
        data.data_param.batch_size = BATCH_SIZE
    _add_features(net)
    _add_classifier(net, TRAINED_LAYER, IMAGENET_CLASSES)
    accuracy = net.layer.add(
        name="accuracy", type="Accuracy", bottom=[TRAINED_LAYER, "label"], top=["accuracy"]
    )
    accuracy.include.add(phase=caffe_pb2.TEST)
    net.layer.add(
        name="loss", type="SoftmaxWithLoss", bottom=[TRAINED_LAYER, "label"], top=["loss"]
    )
    return net


def imagenet_network(side: int = SIDE) -> NetParameter:
    """The network that tells ImageNet's categories apart, for one picture."""
    net = NetParameter(name=TITLE)
    data = net.layer.add(name="data", type="Input", top=["data"])
    data.input_param.shape.add(dim=[1, 3, side, side])
    _add_features(net)
    _add_classifier(net, IMAGENET_LAYER, IMAGENET_CLASSES)
    net.layer.add(name="prob", type="Softmax", bottom=[IMAGENET_LAYER], top=["prob"])
    return net


def _add_features(net: NetParameter) -> None:
    top = _add_convolution(net, stem(), "data")
    for block in blocks():
        bottom = top
        for spec in block.convolutions:
            top = _add_convolution(net, spec, top)
        if block.adds_bottom:
            name = f"{block.name}_sum"
            net.layer.add(name=name, type="Eltwise", bottom=[bottom, top], top=[name])
            top = name
    top = _add_convolution(net, head(), top)
    pool = net.layer.add(name="pool", type="Pooling", bottom=[top], top=["pool"])
    pool.pooling_param.pool = PoolingParameter.AVE
    pool.pooling_param.global_pooling = True


def _add_convolution(net: NetParameter, spec: ConvolutionSpec, bottom: str) -> str:
    """Add a convolution and what follows it in place; the name of the top."""
    name = spec.name
    layer = net.layer.add(name=name, type="Convolution", bottom=[bottom], top=[name])
    layer.param.add(lr_mult=1, decay_mult=1)
    field = layer.convolution_param
    field.num_output, field.bias_term = spec.outputs, False
    field.kernel_size.append(spec.kernel + spec.is_padded_at_end)
    if spec.kernel > 1:
        field.pad.append(spec.kernel // 2)
    if spec.stride > 1:
        field.stride.append(spec.stride)
    if spec.group > 1:
        field.group = spec.group
    field.weight_filler.type = "msra"
    norm = _in_place(net, f"{name}_bn", "BatchNorm", name)
    norm.batch_norm_param.eps = _EPS
    norm.batch_norm_param.moving_average_fraction = _FRACTION
    scale = _in_place(net, f"{name}_scale", "Scale", name)
    for _ in range(2):
        scale.param.add(lr_mult=1, decay_mult=0)
    scale.scale_param.bias_term = True
    if spec.is_clipped:
        clip = _in_place(net, f"{name}_relu6", "Clip", name)
        clip.clip_param.min, clip.clip_param.max = 0, 6
    return name


def _in_place(net: NetParameter, name: str, kind: str, blob: str) -> LayerParameter:
    return net.layer.add(name=name, type=kind, bottom=[blob], top=[blob])


def _add_classifier(net: NetParameter, name: str, classes: int) -> None:
    layer = net.layer.add(name=name, type="InnerProduct", bottom=["pool"], top=[name])
    layer.param.add(lr_mult=1, decay_mult=1)
    layer.param.add(lr_mult=2, decay_mult=0)
    field = layer.inner_product_param
    field.num_output = classes
    field.weight_filler.type, field.weight_filler.std = "gaussian", 0.01
    field.bias_filler.type = "constant"
