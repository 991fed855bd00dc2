"""The networks of torchvision that come with DIGITS as prototxt, without weights.

Out: which there are, their text, and how pictures are prepared for weights that learned from
ImageNet.  Layers have the names of torchvision's modules, so the tensors of a state_dict are found
by them: a Convolution or InnerProduct `x` takes `x.weight` and `x.bias`, a BatchNorm `x` takes
`x.running_mean` and `x.running_var`, and the Scale `x_scale` behind it `x.weight` and `x.bias`.

The input is B,G,R pixels of which the network's mean is subtracted, times its scale.
Elsewhere: who writes the texts (`scripts/torchvision_networks.py`), who reads a state_dict
(`state_dicts.py`, `torchvision_weights.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "standard-networks" / "torchvision"
SCALE_SUFFIX = "_scale"
SIDE = 224
IMAGE_SIDE = 256  # of which torchvision cuts out the middle
# R,G,B, of values from 0 to 1: what torchvision's own weights were learned with.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class TorchvisionNetwork:
    """A network: `name` is torchvision's, `title` is what its text calls itself.

    Where it `divides_each_channel`, the pixels' standard deviations are a part of its first
    layer's weights, since a Data layer knows one scale for all channels.  `is_any_size`: whether
    it can see other pictures than those of 224 x 224.
    """

    name: str
    title: str
    paper: str
    divides_each_channel: bool = True
    is_any_size: bool = True

    @property
    def path(self) -> Path:
        """The text of its training network."""
        return FOLDER / f"{self.name}.prototxt"

    def text(self) -> str:
        """Its training network: Data layers without a source, a loss."""
        return self.path.read_text("utf-8")


def _vgg(depth: int) -> list[TorchvisionNetwork]:
    paper = "Simonyan and Zisserman [2014]"
    return [
        TorchvisionNetwork(name, f"{title} (torchvision)", paper, is_any_size=False)
        for name, title in (
            (f"vgg{depth}", f"VGG-{depth}"),
            (f"vgg{depth}_bn", f"VGG-{depth} with BatchNorm"),
        )
    ]


NETWORKS = {
    network.name: network
    for network in (
        TorchvisionNetwork(
            "alexnet", "AlexNet (torchvision)", "Krizhevsky [2014]", is_any_size=False
        ),
        *(network for depth in (11, 13, 16, 19) for network in _vgg(depth)),
        TorchvisionNetwork(
            "squeezenet1_1", "SqueezeNet 1.1 (torchvision)", "Iandola et al. [2016]"
        ),
        *(
            TorchvisionNetwork(
                f"resnet{depth}", f"ResNet-{depth} (torchvision)", "He, Zhang, Ren and Sun [2015]"
            )
            for depth in (18, 34, 50)
        ),
        TorchvisionNetwork("mobilenet_v2", "MobileNetV2 (torchvision)", "Sandler et al. [2018]"),
        TorchvisionNetwork(
            "googlenet",
            "GoogLeNet (torchvision)",
            "Szegedy et al. [2014]",
            divides_each_channel=False,
        ),
    )
}
TITLES = frozenset(network.title for network in NETWORKS.values())
