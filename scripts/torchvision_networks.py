"""Write the prototxt of torchvision's networks (digits/standard-networks/torchvision).

    .venv/bin/python scripts/torchvision_networks.py

Each layer has the name of torchvision's module (digits/tools/torchvision_networks.py), so that a
state_dict's tensors are found.  torchvision's max pooling rounds down where Caffe's rounds up:
where the sizes may differ, a Crop behind it cuts off what is too much.

Sources: torchvision.models (BSD-3-Clause), and the papers that each text names.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from digits.caffe.formats.prototxt import to_text
from digits.caffe.proto import caffe_pb2
from digits.caffe.proto.caffe_pb2 import LayerParameter, NetParameter, PoolingParameter
from digits.tools.torchvision_networks import MEAN, NETWORKS, SCALE_SUFFIX, SIDE, STD

CLASSES = 1000
BATCH_SIZE = 32
# One number for all channels: the mean of the standard deviations.  Its rest is in the weights.
SCALE = 1 / (255 * sum(STD) / 3)
HALF = 127.5  # GoogLeNet's weights are for pixels from -1 to 1


class Writer:
    """A network while layers are put on top of each other; `top` is the blob of the last one."""

    def __init__(self, title: str, means: list[float], scale: float) -> None:
        self.net = NetParameter(name=title)
        self.top = "data"
        for name, phase in (("train-data", caffe_pb2.TRAIN), ("val-data", caffe_pb2.TEST)):
            data = self.net.layer.add(name=name, type="Data", top=["data", "label"])
            data.include.add(phase=phase)
            data.transform_param.scale = scale
            data.transform_param.crop_size = SIDE
            data.transform_param.mean_value.extend(means)
            data.data_param.batch_size = BATCH_SIZE

    def conv(
        self, name: str, outputs: int, kernel: int, stride: int = 1, pad: int = 0, *,
        group: int = 1, bias: bool = True,
    ) -> None:  # fmt: skip
        """A convolution."""
        layer = self._next(name, "Convolution")
        _learn(layer, bias)
        field = layer.convolution_param
        field.num_output, field.bias_term = outputs, bias
        field.kernel_size.append(kernel)
        field.pad.extend([pad] if pad else [])
        field.stride.extend([stride] if stride > 1 else [])
        if group > 1:
            field.group = group
        field.weight_filler.type = "msra"

    def norm(self, name: str, eps: float = 1e-5) -> None:
        """A BatchNorm, and the Scale that learns."""
        norm = self._in_place(name, "BatchNorm")
        norm.batch_norm_param.eps, norm.batch_norm_param.moving_average_fraction = eps, 0.9
        scale = self._in_place(name + SCALE_SUFFIX, "Scale")
        for _ in range(2):
            scale.param.add(lr_mult=1, decay_mult=0)
        scale.scale_param.bias_term = True

    def relu(self, name: str) -> None:
        """What is negative becomes 0."""
        self._in_place(name, "ReLU")

    def clip(self, name: str) -> None:
        """ReLU6."""
        clip = self._in_place(name, "Clip")
        clip.clip_param.min, clip.clip_param.max = 0, 6

    def dropout(self, name: str, share: float = 0.5) -> None:
        """Leaves out a share of the values in training."""
        self._in_place(name, "Dropout").dropout_param.dropout_ratio = share

    def max_pool(self, name: str, kernel: int, stride: int, pad: int = 0) -> None:
        """The largest value of each window, as many windows as Caffe has."""
        field = self._next(name, "Pooling").pooling_param
        field.pool, field.kernel_size, field.stride = PoolingParameter.MAX, kernel, stride
        if pad:
            field.pad = pad

    def max_pool_as_torch(self, name: str) -> None:
        """Windows of 3, every 2, padded by 1, as many as PyTorch has: half of the size.

        A pooling by 2 has that size for every input, and its values are not used.
        """
        bottom = self.top
        self.max_pool(name, 3, 2, 1)
        pooled = self.top
        self.top = bottom
        self.max_pool(f"{name}_size", 2, 2)
        crop = self.net.layer.add(
            name=f"{name}_crop", type="Crop", bottom=[pooled, self.top], top=[f"{name}_crop"]
        )
        crop.crop_param.axis = 2
        self.top = crop.name

    def mean_pool(self, name: str) -> None:
        """The mean of the whole picture."""
        field = self._next(name, "Pooling").pooling_param
        field.pool, field.global_pooling = PoolingParameter.AVE, True

    def full(self, name: str, outputs: int) -> None:
        """A fully connected layer."""
        layer = self._next(name, "InnerProduct")
        _learn(layer, bias=True)
        field = layer.inner_product_param
        field.num_output = outputs
        field.weight_filler.type, field.weight_filler.std = "gaussian", 0.01
        field.bias_filler.type = "constant"

    def join(self, name: str, kind: str, bottoms: list[str]) -> None:
        """One blob of several: their sum (Eltwise), or all of their channels (Concat)."""
        self.net.layer.add(name=name, type=kind, bottom=bottoms, top=[name])
        self.top = name

    def finished(self) -> NetParameter:
        """The network with what measures it."""
        accuracy = self.net.layer.add(
            name="accuracy", type="Accuracy", bottom=[self.top, "label"], top=["accuracy"]
        )
        accuracy.include.add(phase=caffe_pb2.TEST)
        self.net.layer.add(
            name="loss", type="SoftmaxWithLoss", bottom=[self.top, "label"], top=["loss"]
        )
        return self.net

    def _next(self, name: str, kind: str) -> LayerParameter:
        layer = self.net.layer.add(name=name, type=kind, bottom=[self.top], top=[name])
        self.top = name
        return layer

    def _in_place(self, name: str, kind: str) -> LayerParameter:
        return self.net.layer.add(name=name, type=kind, bottom=[self.top], top=[self.top])


def _learn(layer: LayerParameter, bias: bool) -> None:
    layer.param.add(lr_mult=1, decay_mult=1)
    if bias:
        layer.param.add(lr_mult=2, decay_mult=0)


# Networks -----------------------------------------------------------------------------------------


def alexnet(writer: Writer) -> None:
    """features.0 to features.12, classifier.0 to classifier.6."""
    for number, outputs, kernel, stride, pad, is_pooled in (
        (0, 64, 11, 4, 2, True), (3, 192, 5, 1, 2, True), (6, 384, 3, 1, 1, False),
        (8, 256, 3, 1, 1, False), (10, 256, 3, 1, 1, True),
    ):  # fmt: skip
        writer.conv(f"features.{number}", outputs, kernel, stride, pad)
        writer.relu(f"features.{number + 1}")
        if is_pooled:
            writer.max_pool(f"features.{number + 2}", 3, 2)
    for number in (1, 4):
        writer.dropout(f"classifier.{number - 1}")
        writer.full(f"classifier.{number}", 4096)
        writer.relu(f"classifier.{number + 1}")
    writer.full("classifier.6", CLASSES)


# How many convolutions stand before each pooling.
VGG_STAGES = {11: (1, 1, 2, 2, 2), 13: (2,) * 5, 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
VGG_OUTPUTS = (64, 128, 256, 512, 512)


def vgg(writer: Writer, depth: int, *, with_norm: bool) -> None:
    """Convolutions of 3 x 3 in five stages, and three fully connected layers."""
    number = 0
    for repeats, outputs in zip(VGG_STAGES[depth], VGG_OUTPUTS, strict=True):
        for _ in range(repeats):
            writer.conv(f"features.{number}", outputs, 3, pad=1)
            if with_norm:
                number += 1
                writer.norm(f"features.{number}")
            writer.relu(f"features.{number + 1}")
            number += 2
        writer.max_pool(f"features.{number}", 2, 2)
        number += 1
    for number in (0, 3):
        writer.full(f"classifier.{number}", 4096)
        writer.relu(f"classifier.{number + 1}")
        writer.dropout(f"classifier.{number + 2}")
    writer.full("classifier.6", CLASSES)


def squeezenet(writer: Writer) -> None:
    """Fire modules: narrower by 1 x 1, then 1 x 1 beside 3 x 3."""
    writer.conv("features.0", 64, 3, 2)
    writer.relu("features.1")
    writer.max_pool("features.2", 3, 2)
    fires = {3: 64, 4: 64, 6: 128, 7: 128, 9: 192, 10: 192, 11: 256, 12: 256}
    for number in range(3, 13):
        if number not in fires:
            writer.max_pool(f"features.{number}", 3, 2)
            continue
        name, outputs = f"features.{number}", fires[number]
        writer.conv(f"{name}.squeeze", outputs // 4, 1)
        writer.relu(f"{name}.squeeze_activation")
        squeezed, parts = writer.top, []
        for kernel in (1, 3):
            writer.top = squeezed
            part = f"{name}.expand{kernel}x{kernel}"
            writer.conv(part, outputs, kernel, pad=kernel // 2)
            writer.relu(f"{part}_activation")
            parts.append(part)
        writer.join(name, "Concat", parts)
    writer.dropout("classifier.0")
    writer.conv("classifier.1", CLASSES, 1)
    writer.relu("classifier.2")
    writer.mean_pool("classifier.3")


RESNET_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


def resnet(writer: Writer, depth: int) -> None:
    """Blocks whose bottom is added to their top."""
    is_deep = depth == 50
    writer.conv("conv1", 64, 7, 2, 3, bias=False)
    writer.norm("bn1")
    writer.relu("relu")
    writer.max_pool_as_torch("maxpool")
    for stage, repeats in enumerate(RESNET_BLOCKS[depth], start=1):
        width = 64 << (stage - 1)
        for repeat in range(repeats):
            stride = 2 if stage > 1 and repeat == 0 else 1
            # The first block of all keeps the number of channels where blocks are shallow.
            is_other = repeat == 0 and (stage > 1 or is_deep)
            _resnet_block(writer, f"layer{stage}.{repeat}", width, stride, is_deep, is_other)
    writer.mean_pool("avgpool")
    writer.full("fc", CLASSES)


def _resnet_block(
    writer: Writer, name: str, width: int, stride: int, is_deep: bool, is_other: bool
) -> None:
    bottom = writer.top
    if is_deep:  # torchvision halves in the 3 x 3 convolution
        steps = [(width, 1, 1), (width, 3, stride), (4 * width, 1, 1)]
    else:
        steps = [(width, 3, stride), (width, 3, 1)]
    for number, (outputs, kernel, step) in enumerate(steps, start=1):
        writer.conv(f"{name}.conv{number}", outputs, kernel, step, kernel // 2, bias=False)
        writer.norm(f"{name}.bn{number}")
        if number < len(steps):
            writer.relu(f"{name}.relu{number}")
    top = writer.top
    if is_other:
        writer.top = bottom
        writer.conv(f"{name}.downsample.0", steps[-1][0], 1, stride, bias=False)
        writer.norm(f"{name}.downsample.1")
        bottom = writer.top
    writer.join(name, "Eltwise", [bottom, top])
    writer.relu(f"{name}.relu")


# Expansion, outputs, repeats, stride of the first.
MOBILENET_STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip


def mobilenet(writer: Writer) -> None:
    """Wider by 1 x 1, one filter a channel, narrower again."""
    _clipped(writer, "features.0", 32, 3, 2)
    number, inputs = 1, 32
    for expansion, outputs, repeats, first_stride in MOBILENET_STAGES:
        for repeat in range(repeats):
            stride = 1 if repeat else first_stride
            _mobilenet_block(writer, f"features.{number}", inputs, expansion, outputs, stride)
            number, inputs = number + 1, outputs
    _clipped(writer, f"features.{number}", 1280, 1)
    writer.mean_pool("avgpool")
    writer.dropout("classifier.0", 0.2)
    writer.full("classifier.1", CLASSES)


def _mobilenet_block(
    writer: Writer, name: str, inputs: int, expansion: int, outputs: int, stride: int
) -> None:
    bottom, width, step = writer.top, inputs * expansion, 0
    if expansion > 1:
        _clipped(writer, f"{name}.conv.0", width, 1)
        step = 1
    _clipped(writer, f"{name}.conv.{step}", width, 3, stride, group=width)
    writer.conv(f"{name}.conv.{step + 1}", outputs, 1, bias=False)
    writer.norm(f"{name}.conv.{step + 2}")
    if stride == 1 and inputs == outputs:
        writer.join(name, "Eltwise", [bottom, writer.top])


def _clipped(
    writer: Writer, name: str, outputs: int, kernel: int, stride: int = 1, group: int = 1
) -> None:
    writer.conv(f"{name}.0", outputs, kernel, stride, kernel // 2, group=group, bias=False)
    writer.norm(f"{name}.1")
    writer.clip(f"{name}.2")


# Outputs: of 1 x 1; of the second branch, its first and second; of the third; of the pooled one.
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64), "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128), "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}  # fmt: skip


def googlenet(writer: Writer) -> None:
    """Inceptions with BatchNorm; without the classifiers that only torchvision's training has."""
    _basic(writer, "conv1", 64, 7, 2)
    writer.max_pool("maxpool1", 3, 2)
    _basic(writer, "conv2", 64, 1)
    _basic(writer, "conv3", 192, 3)
    writer.max_pool("maxpool2", 3, 2)
    for name, outputs in INCEPTIONS.items():
        if name == "4a":
            writer.max_pool("maxpool3", 3, 2)
        if name == "5a":
            writer.max_pool("maxpool4", 2, 2)
        _inception(writer, f"inception{name}", outputs)
    writer.mean_pool("avgpool")
    writer.dropout("dropout", 0.2)
    writer.full("fc", CLASSES)


def _inception(writer: Writer, name: str, outputs: tuple[int, ...]) -> None:
    first, *pairs, pooled = outputs
    bottom, tops = writer.top, []
    _basic(writer, f"{name}.branch1", first, 1)
    tops.append(writer.top)
    for number, (narrow, wide) in enumerate((pairs[:2], pairs[2:]), start=2):
        writer.top = bottom
        _basic(writer, f"{name}.branch{number}.0", narrow, 1)
        # torchvision has 3 x 3 in the third branch, too.
        _basic(writer, f"{name}.branch{number}.1", wide, 3)
        tops.append(writer.top)
    writer.top = bottom
    writer.max_pool(f"{name}.branch4.0", 3, 1, 1)
    _basic(writer, f"{name}.branch4.1", pooled, 1)
    writer.join(name, "Concat", [*tops, writer.top])


def _basic(writer: Writer, name: str, outputs: int, kernel: int, stride: int = 1) -> None:
    writer.conv(f"{name}.conv", outputs, kernel, stride, kernel // 2, bias=False)
    writer.norm(f"{name}.bn", 0.001)
    writer.relu(f"{name}.relu")


def _builders() -> dict[str, Callable[[Writer], None]]:
    found: dict[str, Callable[[Writer], None]] = {
        "alexnet": alexnet,
        "squeezenet1_1": squeezenet,
        "mobilenet_v2": mobilenet,
        "googlenet": googlenet,
    }
    for depth in VGG_STAGES:
        found[f"vgg{depth}"] = partial(vgg, depth=depth, with_norm=False)
        found[f"vgg{depth}_bn"] = partial(vgg, depth=depth, with_norm=True)
    for depth in RESNET_BLOCKS:
        found[f"resnet{depth}"] = partial(resnet, depth=depth)
    return found


BUILDERS = _builders()


def text(name: str) -> str:
    """The prototxt of a network, with where it comes from."""
    network = NETWORKS[name]
    if network.divides_each_channel:
        means = [round(255 * mean, 3) for mean in reversed(MEAN)]
        writer = Writer(network.title, means, SCALE)
    else:
        writer = Writer(network.title, [HALF], 1 / HALF)
    BUILDERS[name](writer)
    head = (
        f"# {network.title}, after {network.paper}, for weights of torchvision.models.{name}.\n"
        "# Made by scripts/torchvision_networks.py; layers are called as torchvision's modules.\n"
    )
    return head + to_text(writer.finished())


if __name__ == "__main__":
    for each in NETWORKS.values():
        each.path.write_text(text(each.name))
