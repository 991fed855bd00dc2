"""Detector: a net that scores windows of pictures, as R-CNN does.

    detector = Detector("deploy.prototxt", "w.caffemodel", context_pad=16, ...)
    detections = detector.detect_windows([("cat.jpg", [(ymin, xmin, ymax, xmax), ...])])

Source: the behaviour of pycaffe 1.0; Girshick et al., "Rich feature hierarchies", 2014 (the padding
around a window).  Elsewhere: resizing (`io.py`), the net (`net.py`).
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from digits.caffe import io
from digits.caffe.classifier import transformer_of
from digits.caffe.layers.base import Phase
from digits.caffe.net import Net, PathLike

Floats = npt.NDArray[np.float32]
Window = Sequence[int] | npt.NDArray[Any]

_SELECTIVE_SEARCH = "selective_search_ijcv_with_python"


class Detector(Net):
    """A net in the TEST phase that looks at windows.

    `mean`, `input_scale`, `raw_scale`, `channel_swap`: as for `io.Transformer`.  `context_pad`: the
    width in pixels, of the net's input, of the surroundings that are taken along on every side.
    """

    def __init__(
        self,
        model_file: PathLike,
        pretrained_file: PathLike,
        mean: npt.NDArray[Any] | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ) -> None:
        super().__init__(model_file, Phase.TEST, weights=pretrained_file)
        self.transformer = transformer_of(self, mean, input_scale, raw_scale, channel_swap)
        self.configure_crop(context_pad)

    def detect_windows(
        self, images_windows: Iterable[tuple[str | os.PathLike[str], Iterable[Window]]]
    ) -> list[dict[str, Any]]:
        """Score windows: pairs of a picture's file and its windows (ymin, xmin, ymax, xmax).

        Returns {"window", "prediction" (classes,), "filename"} for each window, in their order.
        """
        found: list[dict[str, Any]] = []
        crops: list[Floats] = []
        name = self.inputs[0]
        for filename, windows in images_windows:
            image = io.load_image(filename)
            for window in windows:
                crops.append(self.transformer.preprocess(name, self.crop(image, window)))
                found.append({"window": window, "filename": filename})
        if not found:
            return []
        scores = self.forward_all(None, **{name: np.array(crops)})[self.outputs[0]]
        for detection, score in zip(found, scores, strict=True):
            detection["prediction"] = np.array(score)
        return found

    def detect_selective_search(
        self, image_fnames: Iterable[str | os.PathLike[str]]
    ) -> list[dict[str, Any]]:
        """`detect_windows` with windows proposed by Selective Search.

        That needs MATLAB and the Python package selective_search_ijcv_with_python, which is
        Python code of its authors; ImportError says so where it is not installed.
        """
        try:
            search = importlib.import_module(_SELECTIVE_SEARCH)
        except ImportError as error:
            raise ImportError(
                f"Selective Search needs the module {_SELECTIVE_SEARCH} (and MATLAB). Without it, "
                "give windows to detect_windows."
            ) from error
        # Absolute: MATLAB runs in a folder of its own.
        files = [os.path.abspath(filename) for filename in image_fnames]
        windows = search.get_windows(files, cmd="selective_search_rcnn")
        return self.detect_windows(zip(files, windows, strict=True))

    def crop(self, im: npt.NDArray[Any], window: Window) -> Floats:
        """A window (ymin, xmin, ymax, xmax) of a picture (H, W, C), as the net is to see it.

        Without `context_pad`, the window alone, in its own size.  With it, the window and its
        surroundings in the input's size; what lies outside the picture is filled with the mean.
        Raises ValueError for a window that is empty or lies outside the picture.
        """
        top, left, bottom, right = (int(edge) for edge in window)
        if not (0 <= top < bottom <= im.shape[0] and 0 <= left < right <= im.shape[1]):
            raise ValueError(
                f"the window {tuple(window)} (ymin, xmin, ymax, xmax) is empty or does not lie "
                f"within the picture, which is {im.shape[0]}x{im.shape[1]}."
            )
        if not self.context_pad:
            return np.asarray(im[top:bottom, left:right])
        return self._crop_with_context(im, np.array([top, left, bottom, right]))

    def configure_crop(self, context_pad: int | None) -> None:
        """Set the width of the surroundings; and work out the mean that fills what is missing.

        Raises ValueError when nothing of the window would be left.
        """
        name = self.inputs[0]
        _, channels, height, width = self.blobs[name].shape
        if context_pad and (context_pad < 0 or 2 * context_pad >= min(height, width)):
            raise ValueError(
                f"context_pad must leave something of the input's {height}x{width}. "
                f"Received: {context_pad}"
            )
        self.context_pad = context_pad
        self.crop_dims = np.array([height, width, channels])
        mean = self.transformer.mean.get(name)
        if mean is None:
            self.crop_mean = np.zeros((height, width, channels), np.float32)
            return
        # Back to what pictures are before preprocessing: H,W,C in R,G,B, from 0 to 1.
        order = self.transformer.channel_swap.get(name, range(channels))
        picture = np.array(mean, np.float32)
        if len(picture) == channels:
            picture = picture[np.argsort(order)]
        scale = self.transformer.raw_scale.get(name, 1.0)
        self.crop_mean = picture.transpose(1, 2, 0) / np.float32(scale)

    def _crop_with_context(self, im: npt.NDArray[Any], window: npt.NDArray[Any]) -> Floats:
        size = int(self.crop_dims[1])
        half = (window[2:] - window[:2] + 1) / 2.0
        centre = window[:2] + half
        grown = size / (size - 2.0 * (self.context_pad or 0)) * half
        box = np.round(np.concatenate([centre - grown, centre + grown])).astype(int)
        scale = size / (box[2:] - box[:2] + 1.0)
        # What the box sticks out of the picture at its top and left, in pixels of the input.
        pad = np.round(np.maximum(0, -box[:2]) * scale).astype(int)
        limit = np.tile(im.shape[:2], 2)
        box = np.clip(box, 0, limit)
        kept = np.round((box[2:] - box[:2] + 1) * scale).astype(int)
        kept = np.clip(kept, 1, size - pad)
        context = im[box[0] : box[2], box[1] : box[3]]
        crop = np.ones(self.crop_dims, np.float32) * self.crop_mean
        crop[pad[0] : pad[0] + kept[0], pad[1] : pad[1] + kept[1]] = io.resize_image(context, kept)
        return np.asarray(crop, np.float32)
