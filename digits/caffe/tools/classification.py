"""Classify a picture: `python -m digits.caffe.tools.classification`, as Caffe's example in C++.

In: a deploy prototxt, weights, a mean file, a file with a label a line, a picture.  Out: on stdout,
the five best labels with their scores.  The picture is stretched to the net's input, and the mean
of each channel is subtracted.  It runs on the first GPU, where there is one.
Source: examples/cpp_classification/classification.cpp.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from digits.caffe.data import means, pictures
from digits.caffe.errors import DataError, NetError
from digits.caffe.machine.gflags import Value
from digits.caffe.tools.program import Program

if TYPE_CHECKING:
    from digits.caffe.net import Net

Floats = npt.NDArray[np.float32]

USAGE = (
    "Usage: classification deploy.prototxt network.caffemodel mean.binaryproto labels.txt img.jpg"
)
_SHOWN = 5


def run(flags: dict[str, Value], words: list[str]) -> int:
    """The tool."""
    model, weights, mean_file, label_file, picture = words
    net = _open(model, weights)
    try:
        channels = _input_channels(net)
        mean = _channel_means(mean_file, channels)
        labels = _read_labels(label_file, _scores_wanted(net))
        print(f"---------- Prediction for {picture} ----------")
        scores = _scores(net, _prepared(_read(picture), net) - mean)
        for index in np.argsort(-scores, kind="stable")[:_SHOWN]:
            print(f'{scores[index]:.4f} - "{labels[index]}"')
    finally:
        net.close()
    return 0


def _open(model: str, weights: str) -> Net:
    # Only now: help and mistakes need no PyTorch.
    import torch  # noqa: PLC0415

    from digits.caffe.commands.devices import gpu  # noqa: PLC0415
    from digits.caffe.layers.base import LayerContext, Phase  # noqa: PLC0415
    from digits.caffe.net import Net  # noqa: PLC0415

    device = gpu(0) if torch.cuda.is_available() else torch.device("cpu")
    net = Net(model, Phase.TEST, context=LayerContext(device=device, allow_python=True))
    net.copy_from(weights)
    for kind, names in (("input", net.inputs), ("output", net.outputs)):
        if len(names) != 1:
            raise NetError(
                f"{model}: Network should have exactly one {kind}, it has {len(names)}: "
                f"{', '.join(names) or 'none'}"
            )
    return net


def _input_channels(net: Net) -> int:
    shape = net.blobs[net.inputs[0]].shape
    if len(shape) != 4 or shape[1] not in (1, 3):
        raise NetError(f"Input layer should have 1 or 3 channels, its shape is {tuple(shape)}")
    return int(shape[1])


def _scores_wanted(net: Net) -> int:
    shape = net.blobs[net.outputs[0]].shape
    return int(shape[1]) if len(shape) > 1 else 1


def _channel_means(path: str, channels: int) -> Floats:
    """The mean of each channel of a mean file, (channels, 1, 1)."""
    mean = means.read_mean_file(path)
    if len(mean) != channels:
        raise DataError(
            f"{path}: Number of channels of mean file ({len(mean)}) doesn't match input layer "
            f"({channels})"
        )
    return np.asarray(mean.mean((1, 2), np.float64, keepdims=True), np.float32)


def _read_labels(path: str, count: int) -> list[str]:
    try:
        labels = os.fsdecode(Path(path).read_bytes()).split("\n")
    except OSError as error:
        raise DataError(f"Unable to open labels file {path}: {error.strerror}") from error
    if not labels[-1]:
        labels.pop()
    if len(labels) != count:
        raise DataError(
            f"{path}: Number of labels ({len(labels)}) is different from the output layer "
            f"dimension ({count})"
        )
    return [label.rstrip("\r") for label in labels]


def _read(path: str) -> npt.NDArray[np.generic]:
    """The picture as it is in the file (H, W, C): 8 or 16 bits, grey, B,G,R or with alpha."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"Unable to open image {path}: {error.strerror}") from error
    cv2 = pictures.opencv()
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise DataError(f"Unable to decode image {path}")
    pixels: npt.NDArray[np.generic] = image if image.ndim == 3 else image[:, :, np.newaxis]
    return pixels


def _prepared(image: npt.NDArray[np.generic], net: Net) -> Floats:
    """The planes (C, H, W) that the net's input takes, without the mean subtracted."""
    cv2 = pictures.opencv()
    _, channels, height, width = net.blobs[net.inputs[0]].shape
    change = {
        (3, 1): cv2.COLOR_BGR2GRAY,
        (4, 1): cv2.COLOR_BGRA2GRAY,
        (4, 3): cv2.COLOR_BGRA2BGR,
        (1, 3): cv2.COLOR_GRAY2BGR,
    }.get((image.shape[2], channels))
    sample = image if change is None else cv2.cvtColor(np.ascontiguousarray(image), change)
    if sample.shape[:2] != (height, width):
        sample = cv2.resize(sample, (width, height))
    planes = sample.reshape(height, width, -1).transpose(2, 0, 1).astype(np.float32)
    if len(planes) != channels:
        raise DataError(
            f"the picture has {len(planes)} channels, and the network takes {channels}; save it as "
            "grey, colour, or colour with transparency"
        )
    return planes


def _scores(net: Net, planes: Floats) -> Floats:
    blob = net.blobs[net.inputs[0]]
    blob.reshape(1, *planes.shape)
    net.reshape()
    blob.data[...] = planes
    net.forward()
    output = net.blobs[net.outputs[0]].data.reshape(-1)
    return np.array(output[: _scores_wanted(net)])


# As Caffe's example, it keeps its log from stderr, where predictions could not be found in it.
PROGRAM = Program(
    "examples/cpp_classification/classification.cpp",
    USAGE,
    {},
    range(5, 6),
    run,
    also_to_stderr=False,
)
main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
