"""Record what torchvision's networks say of a picture, with weights drawn from a seed.

Run in an environment of its own, which has torchvision and the PyTorch that it is made for:

    python3.11 -m venv /tmp/torchvision && /tmp/torchvision/bin/pip install torchvision
    /tmp/torchvision/bin/python scripts/record_torchvision.py

Writes tests/tools/data/torchvision.npz: the scores of each network.  The weights are drawn again
where they are needed, tensor by tensor, so that they lie nowhere: by numpy's RandomState, which
gives the same numbers for ever.
"""

from __future__ import annotations

import sys
import types
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

RECORDING = Path(__file__).resolve().parent.parent / "tests" / "tools" / "data" / "torchvision.npz"
SIDE = 224
NAMES = (
    "alexnet", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
    "squeezenet1_1", "resnet18", "resnet34", "resnet50", "mobilenet_v2", "googlenet",
)  # fmt: skip
_HALF = 1 << 15
_DEVIATION = 2 * _HALF / 12**0.5  # of whole numbers, each as likely as the others


def drawn(network: str, name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The tensor `name` of a network: as large as training would begin with, never twice the same.

    Means and biases are about 0, factors about 1, variances above 0, and a layer's tops about as
    large as its bottoms.
    """
    random = np.random.RandomState(zlib.crc32(f"{network} {name}".encode()))
    values = random.randint(-_HALF, _HALF, shape, dtype=np.int16).astype(np.float32)
    values /= np.float32(_DEVIATION)
    if name.endswith("running_var"):
        values = np.exp(values * np.float32(0.3))
    elif name.endswith((".bias", "running_mean")):
        values *= np.float32(0.1)
    elif len(shape) == 1:
        values = 1 + values * np.float32(0.1)
    else:
        values *= np.float32((2 / np.prod(shape[1:])) ** 0.5)
    return torch.from_numpy(values)


def picture() -> npt.NDArray[np.uint8]:
    """R,G,B pixels, rows x columns x channels."""
    pixels = np.random.RandomState(1).randint(0, 256, (SIDE // 8, SIDE // 8, 3)).astype(np.uint8)
    return pixels.repeat(8, 0).repeat(8, 1)


def scores(name: str, models: Any) -> npt.NDArray[np.float32]:
    """What a network of torchvision says of the picture."""
    # As its ImageNet weights are loaded: without the classifiers that only a training has.
    options = {"aux_logits": False, "transform_input": True} if name == "googlenet" else {}
    network = getattr(models, name)(weights=None, **options)
    tensors = {
        each: torch.zeros(()) if each.endswith("tracked") else drawn(name, each, tuple(old.shape))
        for each, old in network.state_dict().items()
    }
    network.load_state_dict(tensors)
    network.eval()
    mean, std = (
        torch.tensor(t).view(3, 1, 1) for t in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    pixels = torch.from_numpy(picture()).permute(2, 0, 1) / 255
    with torch.no_grad():
        found: npt.NDArray[np.float32] = network(((pixels - mean) / std)[None])[0].numpy()
    return found


def main() -> None:
    # Operators of detection, which PyTorch's builds for the CPU alone do not have.
    missing = "torchvision._meta_registrations"
    sys.modules[missing] = types.ModuleType(missing)
    from torchvision import models  # noqa: PLC0415  # not where the tests import this module

    found = {name: scores(name, models) for name in NAMES}
    for name, values in found.items():
        sys.stdout.write(f"{name}: {values.min():.4g} to {values.max():.4g}\n")
    np.savez_compressed(RECORDING, allow_pickle=False, **found)


if __name__ == "__main__":
    main()
