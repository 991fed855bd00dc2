"""Networks as prototxt text: the standard ones, and text that a user wrote.

In: text of any age (V0, V1 and current formats).  Out: a NetParameter in the current format, or a
NetworkError that says where the text is wrong.
Elsewhere: what is made of a network (`training.py`, `deploy.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from digits.base.job_files import read_bytes
from digits.caffe.errors import CaffeError, NetError, PrototxtError
from digits.caffe.formats import prototxt, upgrade
from digits.caffe.nets.rules import check_rules
from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.model.network import graph
from digits.model.network.errors import NetworkError
from digits.model.network.fit import MadeFor

STANDARD_FOLDER = Path(__file__).resolve().parents[2] / "standard-networks"
# GoogLeNet is 40 kB, a ResNet of 152 layers 200 kB; far above that, text is no network.
MAX_TEXT_BYTES = 1024 * 1024
MAX_LAYERS = 3000
# Bottoms, tops and params of all layers together: what a network takes time for.
MAX_CONNECTIONS = 4 * MAX_LAYERS
# No-break spaces become spaces; what has no width goes, a byte order mark too.
INVISIBLE = {0xA0: " ", 0x202F: " ", 0x200B: None, 0x2060: None, 0xFEFF: None}
# What the engine's messages call the text, before line and column.
SOURCE = "network"


@dataclass(frozen=True)
class StandardNetwork:
    """A network that comes with DIGITS, as the form lists it."""

    name: str
    title: str
    paper: str
    image_size: str
    made_for: MadeFor
    # Sides of the squares that it may see, the largest first; empty: that of its text.
    sides: tuple[int, ...] = ()
    # Whether it begins with weights, which fit one mean and scale: those of its text.
    is_pretrained: bool = False

    def side_for(self, image_side: int) -> int | None:
        """The largest square that it sees of pictures with this side; None: that of its text."""
        return next((side for side in self.sides if side <= image_side), None)

    def made_for_pictures(self, image_side: int) -> MadeFor:
        """What it is made for, where that goes by the pictures' side."""
        if not self.sides:
            return self.made_for
        side = self.side_for(image_side) or self.sides[-1]
        return replace(self.made_for, side=side, image_side=side)


# As its text names itself, too.
PRETRAINED_TITLE = "EfficientNet-Lite0"
FOR_SMALL = ", or choose a network for small pictures, such as LeNet"
STANDARD_NETWORKS = {
    network.name: network
    for network in (
        StandardNetwork(
            "lenet",
            "LeNet",
            "LeCun, Bottou, Bengio and Haffner [1998]",
            "28 × 28 (grayscale)",
            MadeFor("LeNet", 28, 28, False, 13, ", or choose AlexNet or GoogLeNet"),
        ),
        StandardNetwork(
            "alexnet",
            "AlexNet",
            "Krizhevsky, Sutskever and Hinton [2012]",
            "256 × 256",
            MadeFor("AlexNet", 227, 256, True, 39, FOR_SMALL),
        ),
        StandardNetwork(
            "googlenet",
            "GoogLeNet",
            "Szegedy et al. [2014]",
            "256 × 256",
            MadeFor("GoogLeNet", 224, 256, True, 223, FOR_SMALL),
        ),
        StandardNetwork(
            "efficientnet-lite0",
            PRETRAINED_TITLE,
            "Tan and Le [2019], with ImageNet weights",
            "224 × 224, 128 × 128",
            MadeFor(PRETRAINED_TITLE, 224, 224, True, 32, FOR_SMALL, channels=3),
            sides=(224, 128),
            is_pretrained=True,
        ),
    )
}


def is_pretrained(name: str | None) -> bool:
    """Whether it is the name of a standard network that DIGITS has weights for."""
    network = STANDARD_NETWORKS.get(name or "")
    return network is not None and network.is_pretrained


def standard_network_text(name: str, image_side: int | None = None) -> str:
    """The prototxt of a standard network; NetworkError when there is none of this name.

    One that is made for several sizes sees squares that fit into pictures with `image_side`.
    """
    if name not in STANDARD_NETWORKS:
        raise NetworkError(
            f"There is no standard network {name!r}. Choose one of: {', '.join(STANDARD_NETWORKS)}."
        )
    text = (STANDARD_FOLDER / f"{name}.prototxt").read_text()
    side = STANDARD_NETWORKS[name].side_for(image_side) if image_side else None
    return text if side is None else re.sub(r"\bcrop_size: \d+", f"crop_size: {side}", text)


def clean_text(text: str) -> str:
    """A pasted text without what nobody sees: a byte order mark, no-break spaces, CR.

    Editors and web pages put them there, and prototxt does not know them.
    """
    return text.replace("\r\n", "\n").translate(INVISIBLE)


def parse_network(text: str) -> NetParameter:
    """The network that a text describes.

    Raises NetworkError for text that is empty, too long, no prototxt, holds no layers, or a layer
    whose rules contradict each other.
    """
    check_size(text)
    net = _parse(clean_text(text))
    check_layers(net)
    return net


def net_in_file(path: Path) -> NetParameter:
    """The net in a file of a job, in the current format, whatever it holds.

    Raises CaffeError when it is none, and OSError when it cannot be read, or is a pipe or device.
    """
    net = prototxt.parse_text(read_bytes(path), NetParameter(), path.name)
    upgrade.upgrade_net(net, path.name)
    return net


def network_to_text(net: NetParameter) -> str:
    """A network as prototxt text."""
    return prototxt.to_text(net)


def check_layers(net: NetParameter) -> None:
    """NetworkError for a network with too many layers or connections, no layers, or a layer with
    both include and exclude rules.
    """
    if len(net.layer) > MAX_LAYERS:
        raise NetworkError(
            f"The network has {len(net.layer)} layers; at most {MAX_LAYERS} can be handled."
        )
    if not net.layer:
        raise NetworkError(
            "The network has no layers. Give it at least one `layer { ... }` and a loss."
        )

    connections = sum(len(layer.bottom) + len(layer.top) + len(layer.param) for layer in net.layer)
    if connections > MAX_CONNECTIONS:
        raise NetworkError(
            f"The layers of the network have {connections:,} bottoms, tops and params; at most "
            f"{MAX_CONNECTIONS:,} can be handled."
        )
    for layer in net.layer:
        try:
            check_rules(layer)
        except NetError as error:
            raise NetworkError(str(error), layer=layer.name) from error
    graph.check_names(net)


def check_size(text: str) -> None:
    """NetworkError for a text that is empty or too long."""
    if not text.strip():
        raise NetworkError("The network is empty. Paste the prototxt text of a network.")
    size = len(text.encode("utf-8", "replace"))
    if size > MAX_TEXT_BYTES:
        raise NetworkError(
            f"The network's text has {size:,} bytes; at most {MAX_TEXT_BYTES:,} can be handled."
        )


def _parse(text: str) -> NetParameter:
    try:
        net = prototxt.parse_text(text, NetParameter(), SOURCE)
        upgrade.upgrade_net(net, SOURCE, is_whole=False)  # data layers may be added later
    except PrototxtError as error:
        raise located(str(error)) from error
    except CaffeError as error:
        raise NetworkError(str(error)) from error
    return net


def located(problem: str) -> NetworkError:
    """The engine's message with its place taken out of the text."""
    match = re.fullmatch(rf"{SOURCE}:(\d+):(\d+): (.*)", problem, re.DOTALL)
    if match is None:
        return NetworkError(problem)
    line, column = int(match[1]), int(match[2])
    return NetworkError(f"Line {line}, column {column}: {match[3]}", line=line, column=column)
