"""From a picture file to what the network sees: the same as in training, bit for bit.

In: a path or bytes.  Out: a `Sample` of uint8 (H, W, C) in B,G,R at the dataset's size, or a batch
of floats at the network's.  Resizing is the datasets' own (`digits.images`);
crop, mean and scale are done by the transformer of the engine's Data layer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from digits.caffe.data.datum import Sample
from digits.caffe.data.transformer import DataTransformer
from digits.caffe.errors import DataError
from digits.caffe.proto import caffe_pb2
from digits.images import Levels, read_image, read_resized
from digits.inference.errors import BadNetwork, BadPicture
from digits.inference.operations import Network

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


class Preparer:
    """Prepares pictures for one network, whose input is (channels, height, width)."""

    def __init__(self, network: Network, input_shape: tuple[int, int, int]) -> None:
        """Raises BadNetwork when the dataset's pictures do not fit the network."""
        self.network = network
        self.input_shape = input_shape
        try:
            self._transformer = DataTransformer(
                _transformation(network, input_shape), train=False, path_of_mean=_mean_path(network)
            )
            blank = np.zeros((network.height, network.width, network.channels), np.uint8)
            found = self._transformer.output_shape(_sample(blank, "the dataset"))
        except DataError as error:
            raise BadNetwork(str(error)) from error
        if found != input_shape:
            raise BadNetwork(
                f"The dataset's pictures come to {_text(found)} (channels x height x width), but "
                f"the network's input is {_text(input_shape)}."
            )

    def read(self, source: str | bytes) -> Sample:
        """A picture at the dataset's size.  Raises ImageError with the reason."""
        network = self.network
        picture = read_resized(
            source,
            network.height,
            network.width,
            network.channels,
            network.resize_mode,
            levels=Levels(*network.levels),
        )
        return _sample(picture, "the picture")

    def read_prepared(self, source: str | bytes) -> Pixels:
        """A picture that `shown` gave: (h, w, C) in R,G,B at the network's size."""
        channels, height, width = self.input_shape
        picture = read_image(source, channels)
        if picture.shape != (height, width, channels):
            raise BadPicture(
                f"A prepared picture is {width}x{height}. Received: "
                f"{picture.shape[1]}x{picture.shape[0]}."
            )
        return picture

    def batch(self, samples: list[Sample], out: Floats) -> None:
        """Crop, subtract the mean, scale: into `out` (n, c, h, w).  Raises DataError."""
        cut = self._transformer.cut(samples, None)
        out[:] = self._transformer.finish(cut, torch.device("cpu")).numpy()

    def batch_of_prepared(self, picture: Pixels, out: Floats) -> None:
        """A picture of `read_prepared`, with the mean at its place, into `out` (1, c, h, w)."""
        network = self.network
        whole = np.zeros((network.height, network.width, network.channels), np.uint8)
        rows, columns = self._window()
        whole[rows, columns] = picture
        self.batch([_sample(whole, "the picture")], out)

    def shown(self, sample: Sample) -> Pixels:
        """The picture as the network sees it: (h, w, C) in R,G,B, without the mean subtracted."""
        rows, columns = self._window()
        values = sample.values if sample.channels_last else sample.values.transpose(1, 2, 0)
        return np.ascontiguousarray(values[rows, columns, ::-1]).astype(np.uint8)

    def _window(self) -> tuple[slice, slice]:
        """The rows and columns of the dataset's pictures that the network sees."""
        _, height, width = self.input_shape
        top = (self.network.height - height) // 2
        left = (self.network.width - width) // 2
        return slice(top, top + height), slice(left, left + width)


def _transformation(
    network: Network, input_shape: tuple[int, int, int]
) -> caffe_pb2.TransformationParameter:
    _, height, width = input_shape
    param = caffe_pb2.TransformationParameter(scale=network.scale, mean_value=network.mean_values)
    if network.mean is not None:
        param.mean_file = Path(network.mean).name
    # A crop is square; where the sizes are equal, nothing is cut.
    if (height, width) != (network.height, network.width) and height == width:
        param.crop_size = height
    return param


def _mean_path(network: Network) -> str:
    return "" if network.mean is None else str(network.mean)


def _sample(picture: Pixels, where: str) -> Sample:
    return Sample(picture[:, :, ::-1], True, where)


def _text(shape: tuple[Any, ...]) -> str:
    return " x ".join(map(str, shape))
