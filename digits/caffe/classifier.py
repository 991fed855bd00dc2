"""Classifier: a net that takes pictures of any size and answers the scores of their classes.

    classifier = Classifier("deploy.prototxt", "w.caffemodel", image_dims=(256, 256),
                            mean=mean, raw_scale=255, channel_swap=(2, 1, 0))
    scores = classifier.predict([io.load_image("cat.jpg")])

Source: the behaviour of pycaffe 1.0.  Elsewhere: resizing and crops (`io.py`), the net (`net.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.caffe import io
from digits.caffe.layers.base import Phase
from digits.caffe.net import Net, PathLike

Floats = npt.NDArray[np.float32]


class Classifier(Net):
    """A net in the TEST phase with a Transformer for its first input.

    `image_dims` (height, width): what pictures are resized to before cropping; None: the input's.
    `mean`, `input_scale`, `raw_scale`, `channel_swap`: as for `io.Transformer`.
    """

    def __init__(
        self,
        model_file: PathLike,
        pretrained_file: PathLike,
        image_dims: Sequence[int] | None = None,
        mean: npt.NDArray[Any] | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(model_file, Phase.TEST, weights=pretrained_file)
        self.transformer = transformer_of(self, mean, input_scale, raw_scale, channel_swap)
        self.crop_dims = np.array(self.blobs[self.inputs[0]].shape[2:])
        self.image_dims = self.crop_dims if image_dims is None else np.array(image_dims)

    def predict(self, inputs: Iterable[npt.NDArray[Any]], oversample: bool = True) -> Floats:
        """The scores (pictures, classes) of pictures (H, W, C), such as `io.load_image` gives.

        With `oversample` they are averaged over ten crops, else taken from the one in the middle.
        Raises ValueError when there are no pictures.
        """
        images = [io.resize_image(image, self.image_dims) for image in inputs]
        if not images:
            raise ValueError("predict received no picture.")
        if oversample:
            crops = io.oversample(images, self.crop_dims)
        else:
            crops = np.array([self._middle(image) for image in images])
        name = self.inputs[0]
        data = np.array([self.transformer.preprocess(name, crop) for crop in crops])
        scores = self.forward_all(None, **{name: data})[self.outputs[0]]
        if oversample:
            scores = scores.reshape(len(images), 10, -1).mean(axis=1)
        return np.asarray(scores)

    def _middle(self, image: Floats) -> Floats:
        height, width = self.crop_dims
        # Halves as floats, then cut off: how pycaffe places a crop that leaves an odd remainder.
        top, left = (self.image_dims / 2.0 - self.crop_dims / 2.0).astype(int)
        return image[top : top + height, left : left + width]


def transformer_of(
    net: Net,
    mean: npt.NDArray[Any] | None,
    input_scale: float | None,
    raw_scale: float | None,
    channel_swap: Sequence[int] | None,
) -> io.Transformer:
    """A Transformer for the net's first input, from pictures (H, W, C)."""
    name = net.inputs[0]
    transformer = io.Transformer({name: net.blobs[name].shape})
    transformer.set_transpose(name, (2, 0, 1))
    if mean is not None:
        transformer.set_mean(name, mean)
    if input_scale is not None:
        transformer.set_input_scale(name, input_scale)
    if raw_scale is not None:
        transformer.set_raw_scale(name, raw_scale)
    if channel_swap is not None:
        transformer.set_channel_swap(name, channel_swap)
    return transformer
