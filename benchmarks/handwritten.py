"""The measured networks written by hand in PyTorch, as one would who does not know Caffe.

`NETWORKS` are for inference, `TRAINED` for training, with `training_loss`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.networks import LITE0


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5)
        self.ip1, self.ip2 = nn.Linear(800, 500), nn.Linear(500, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(self.conv1(x), 2)
        x = functional.max_pool2d(self.conv2(x), 2)
        return self.ip2(functional.relu(self.ip1(x.flatten(1)), inplace=True))


class AlexNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        relu, pool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True)
        norm = nn.LocalResponseNorm(5)
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 96, 11, 4), relu, norm, pool),
            *(nn.Conv2d(96, 256, 5, padding=2, groups=2), relu, norm, pool),
            *(nn.Conv2d(256, 384, 3, padding=1), relu),
            *(nn.Conv2d(384, 384, 3, padding=1, groups=2), relu),
            *(nn.Conv2d(384, 256, 3, padding=1, groups=2), relu, pool),
        )
        self.classifier = nn.Sequential(
            *(nn.Linear(9216, 4096), relu, nn.Dropout()),
            *(nn.Linear(4096, 4096), relu, nn.Dropout()),
            nn.Linear(4096, 1000),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


class Inception(nn.Module):
    def __init__(
        self, ins: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int
    ) -> None:
        super().__init__()
        self.one = nn.Conv2d(ins, one, 1)
        self.three_reduce, self.three = nn.Conv2d(ins, three[0], 1), nn.Conv2d(*three, 3, padding=1)
        self.five_reduce, self.five = nn.Conv2d(ins, five[0], 1), nn.Conv2d(*five, 5, padding=2)
        self.pool = nn.Conv2d(ins, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        def relu(y: Tensor) -> Tensor:
            return functional.relu(y, inplace=True)

        branches = [
            relu(self.one(x)),
            relu(self.three(relu(self.three_reduce(x)))),
            relu(self.five(relu(self.five_reduce(x)))),
            relu(self.pool(functional.max_pool2d(x, 3, 1, 1))),
        ]
        return torch.cat(branches, 1)


class GoogLeNet(nn.Module):
    """With `auxiliary`, in training, a list of scores: two more classifiers, then the usual one."""

    def __init__(self, auxiliary: bool = False) -> None:
        super().__init__()
        relu, pool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True)
        norm = nn.LocalResponseNorm(5)
        first = nn.Sequential(
            *(nn.Conv2d(3, 64, 7, 2, 3), relu, pool, norm),
            *(nn.Conv2d(64, 64, 1), relu, nn.Conv2d(64, 192, 3, padding=1), relu, norm, pool),
            Inception(192, 64, (96, 128), (16, 32), 32),
            *(Inception(256, 128, (128, 192), (32, 96), 64), pool),
            Inception(480, 192, (96, 208), (16, 48), 64),
        )
        second = nn.Sequential(
            Inception(512, 160, (112, 224), (24, 64), 64),
            Inception(512, 128, (128, 256), (24, 64), 64),
            Inception(512, 112, (144, 288), (32, 64), 64),
        )
        third = nn.Sequential(
            *(Inception(528, 256, (160, 320), (32, 128), 128), pool),
            Inception(832, 256, (160, 320), (32, 128), 128),
            Inception(832, 384, (192, 384), (48, 128), 128),
            *(nn.AvgPool2d(7, 1), nn.Dropout(0.4)),
        )
        self.parts = nn.ModuleList([first, second, third])
        self.auxiliary = nn.ModuleList([_auxiliary(512), _auxiliary(528)] if auxiliary else [])
        self.classifier = nn.Linear(1024, 1000)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        scores = []
        for index, part in enumerate(self.parts):
            x = part(x)
            if self.training and index < len(self.auxiliary):
                scores.append(self.auxiliary[index](x))
        result = self.classifier(x.flatten(1))
        return [*scores, result] if scores else result


def _auxiliary(ins: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.AvgPool2d(5, 3, ceil_mode=True), nn.Conv2d(ins, 128, 1), nn.ReLU(inplace=True)),
        *(nn.Flatten(), nn.Linear(2048, 1024), nn.ReLU(inplace=True), nn.Dropout(0.7)),
        nn.Linear(1024, 1000),
    )


class Bottleneck(nn.Module):
    def __init__(self, ins: int, width: int, stride: int, first: bool) -> None:
        super().__init__()
        self.shortcut = _normalised(ins, 4 * width, 1, stride) if first else nn.Identity()
        self.branch = nn.Sequential(
            *(_normalised(ins, width, 1, stride), nn.ReLU(inplace=True)),
            *(_normalised(width, width, 3, padding=1), nn.ReLU(inplace=True)),
            _normalised(width, 4 * width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.shortcut(x) + self.branch(x), inplace=True)


class ResNet50(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            *(_normalised(3, 64, 7, 2, 3), nn.ReLU(inplace=True)),
            nn.MaxPool2d(3, 2, ceil_mode=True),
        ]
        ins = 64
        for stage, (blocks, width) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)]):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                layers.append(Bottleneck(ins, width, stride, block == 0))
                ins = 4 * width
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1))
        self.classifier = nn.Linear(2048, 1000)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


def _normalised(
    ins: int, outs: int, kernel: int, stride: int = 1, padding: int = 0
) -> nn.Sequential:
    convolution = nn.Conv2d(ins, outs, kernel, stride, padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outs))


class Inverted(nn.Module):
    """EfficientNet's block: wider, one filter a channel, narrower; plus the input if it fits."""

    def __init__(self, ins: int, inner: int, outs: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = [_normalised(ins, inner, 1), nn.ReLU6(inplace=True)] if inner != ins else []
        self.adds = stride == 1 and ins == outs
        self.branch = nn.Sequential(
            *wide,
            *(nn.Conv2d(inner, inner, kernel, stride, kernel // 2, groups=inner, bias=False),),
            *(nn.BatchNorm2d(inner), nn.ReLU6(inplace=True), _normalised(inner, outs, 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x) if self.adds else self.branch(x)


class Lite0(nn.Module):
    """EfficientNet-Lite0."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_normalised(3, 32, 3, 2, 1), nn.ReLU6(inplace=True)]
        ins = 32
        for repeats, kernel, stride, expansion, outs in LITE0:
            for block in range(repeats):
                step = 1 if block else stride
                layers.append(Inverted(ins, ins * expansion, outs, kernel, step))
                ins = outs
        layers += [_normalised(320, 1280, 1), nn.ReLU6(inplace=True), nn.AdaptiveAvgPool2d(1)]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


NETWORKS: dict[str, type[nn.Module]] = {
    "lenet": LeNet,
    "alexnet": AlexNet,
    "googlenet": GoogLeNet,
    "resnet50": ResNet50,
    "lite0": Lite0,
}
TRAINED: dict[str, Callable[[], nn.Module]] = {
    "lenet": LeNet,
    "alexnet": AlexNet,
    "googlenet": partial(GoogLeNet, auxiliary=True),
    "resnet50": ResNet50,
    "lite0": Lite0,
}


def training_loss(module: nn.Module, pictures: Tensor, labels: Tensor) -> Tensor:
    """The loss of a module in training mode; auxiliary classifiers weigh 0.3."""
    scores = module(pictures)
    if not isinstance(scores, list):
        return functional.cross_entropy(scores, labels)
    *others, last = (functional.cross_entropy(one, labels) for one in scores)
    return 0.3 * sum(others) + last
