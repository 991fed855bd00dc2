"""Write the prototxt of the standard network that comes from a table: EfficientNet-Lite0.

    .venv/bin/python scripts/standard_networks.py

LeNet, AlexNet and GoogLeNet were written by hand.
"""

from __future__ import annotations

from pathlib import Path

from digits.caffe.formats.prototxt import to_text
from digits.tools import efficientnet_lite0

FOLDER = Path(__file__).resolve().parent.parent / "digits" / "standard-networks"
HEAD = """\
# EfficientNet-Lite0 for 224x224 or 128x128 pictures, after Tan and Le, "EfficientNet: rethinking
# model scaling for convolutional neural networks" (2019). Made by scripts/standard_networks.py
# from the table of its architecture.
"""


def text() -> str:
    """The prototxt, with where it comes from."""
    return HEAD + to_text(efficientnet_lite0.training_network())


if __name__ == "__main__":
    (FOLDER / "efficientnet-lite0.prototxt").write_text(text())
