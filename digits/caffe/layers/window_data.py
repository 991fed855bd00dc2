"""The WindowData layer: warped regions of pictures, objects and background mixed, for R-CNN.

Tops: data (n, c, crop_size, crop_size); label (n), 0 for background.  In every batch fg_fraction
of the windows, the last ones, have an overlap of fg_threshold or more; the others less than
bg_threshold.  Windows are drawn at random, with replacement.
Source: window_data_layer.cpp.  Elsewhere: files and warping (`digits.caffe.data.windows`).
"""

from __future__ import annotations

import logging
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from digits.caffe.data import means, pictures
from digits.caffe.data.windows import Patch, Warp, Window, read_window_file, warp
from digits.caffe.errors import DataError
from digits.caffe.layers.base import Shape, register
from digits.caffe.layers.prefetching_data import (
    BatchSource,
    PrefetchingDataLayer,
    State,
    Top,
    check_batch_size,
    top_of,
)
from digits.caffe.machine.log import at

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]


@register("WindowData")
class WindowDataLayer(PrefetchingDataLayer):
    """Reads windows of pictures."""

    exact_tops = 2

    def open(self) -> tuple[BatchSource, list[Shape]]:
        """Read the window file and the mean."""
        param, transform = self.param.window_data_param, self.param.transform_param
        check_batch_size(self, param.batch_size)
        if transform.crop_size <= 2 * param.context_pad:
            raise self.error(
                "transform_param needs a crop_size above twice the context_pad "
                f"{param.context_pad}, received {transform.crop_size}"
            )
        if param.crop_mode not in ("warp", "square"):
            raise self.error(f"crop_mode must be warp or square, received {param.crop_mode!r}")
        source = WindowSource(self)
        shape = (param.batch_size, source.channels, transform.crop_size, transform.crop_size)
        log.info(
            "output data size: %s", ",".join(map(str, shape)), extra=at("window_data_layer.cpp:194")
        )
        return source, [shape, shape[:1]]


class WindowSource(BatchSource):
    """Batches of windows."""

    def __init__(self, layer: WindowDataLayer) -> None:
        self._context = layer.context
        self._param = param = layer.param.window_data_param
        self._transform = transform = layer.param.transform_param
        self._warp = Warp(transform.crop_size, param.context_pad, param.crop_mode == "square")
        path = layer.path(param.source)
        file = read_window_file(path)
        self._paths = [layer.path(param.root_folder) + name for name in file.paths]
        self.channels = file.channels
        self._objects = [w for w in file.windows if w.overlap >= param.fg_threshold]
        self._background = [
            w for w in file.windows if w.overlap < min(param.bg_threshold, param.fg_threshold)
        ]
        self._check(path)
        self._mean = self._read_mean(layer)
        # cache_images keeps the pictures' files in memory; they are decoded for every window.
        keep = len(self._paths) if param.cache_images else 0
        self._file = lru_cache(maxsize=keep)(_read_file)
        self._seed = layer.context.random.draw_seed()
        self._batches = 0
        log.info("Number of images: %d", len(self._paths), extra=at("window_data_layer.cpp:160"))

    def next_tops(self) -> list[Top]:
        """Background windows, then objects."""
        size, batch_size = self._warp.size, self._param.batch_size
        random = np.random.default_rng((self._seed, self._batches))
        self._batches += 1
        data = np.zeros((batch_size, self.channels, size, size), np.float32)
        objects = int(np.float32(batch_size) * np.float32(self._param.fg_fraction))
        labels = []
        for item in range(batch_size):
            windows = self._background if item < batch_size - objects else self._objects
            window = windows[int(random.integers(len(windows)))]
            mirror = bool(random.integers(2)) and self._transform.mirror
            self._paste(window, mirror, data[item])
            labels.append(window.label if windows is self._objects else 0)
        tensors = torch.from_numpy(data), torch.tensor(labels).float()
        return [top_of(self._context, tensor) for tensor in tensors]

    def state(self) -> State:
        """The number of the next batch, and the seed."""
        return {"batches": self._batches, "seed": self._seed}

    def restore(self, state: State) -> None:
        """Go to a `state`."""
        self._batches, self._seed = state["batches"], state["seed"]

    def _paste(self, window: Window, mirror: bool, out: Floats) -> None:
        path = self._paths[window.image]
        image = pictures.decode(self._file(path), True, path)
        if image.shape[2] != self.channels:
            raise DataError(
                f"{path}: the window file says {self.channels} channels, the picture is read with "
                f"{image.shape[2]}"
            )
        patch = warp(image, window, self._warp, mirror, path)
        height, width = patch.pixels.shape[:2]
        place = (
            slice(None), slice(patch.top, patch.top + height),
            slice(patch.left, patch.left + width),
        )  # fmt: skip
        out[place] = self._scaled(patch, place)

    def _scaled(self, patch: Patch, place: tuple[slice, slice, slice]) -> Floats:
        planes = patch.pixels.transpose(2, 0, 1).astype(np.float32)
        if self._mean is not None:
            planes -= self._mean[place]
        return planes * np.float32(self._param.scale)

    def _read_mean(self, layer: WindowDataLayer) -> Floats | None:
        """What to subtract, (c, crop_size, crop_size): the middle of the mean image, or values."""
        transform = self._transform
        if transform.HasField("mean_file"):
            if transform.mean_value:
                raise DataError(
                    "transform_param has both mean_file and mean_value; give one of them"
                )
            return self._middle(means.read_mean_file(layer.path(transform.mean_file)))
        if not transform.mean_value:
            return None
        if len(transform.mean_value) not in (1, self.channels):
            raise DataError(
                f"specify either 1 mean_value or as many as channels: {self.channels}; received "
                f"{len(transform.mean_value)}"
            )
        values = np.array(transform.mean_value, np.float32).reshape(-1, 1, 1)
        return np.broadcast_to(values, (self.channels, self._warp.size, self._warp.size))

    def _middle(self, mean: Floats) -> Floats:
        size = self._warp.size
        # Caffe takes the offset of the width for both axes.
        offset = (mean.shape[2] - size) // 2
        if mean.shape[0] != self.channels or offset < 0 or mean.shape[1] < offset + size:
            raise DataError(
                f"the mean file {self._transform.mean_file} has the shape {mean.shape}, which is "
                f"too small for {self.channels} channels and crop_size {size}"
            )
        return mean[:, offset : offset + size, offset : offset + size]

    def _check(self, path: str) -> None:
        if not self._objects or not self._background:
            raise DataError(
                f"{path}: holds {len(self._objects)} windows with an overlap of fg_threshold "
                f"{self._param.fg_threshold:g} or more and {len(self._background)} below "
                f"bg_threshold {self._param.bg_threshold:g}; both kinds are needed"
            )
        for window in self._objects:
            if window.label <= 0:
                raise DataError(
                    f"{path}: a window with overlap {window.overlap:g} has class {window.label}; "
                    "classes of objects begin with 1"
                )


def _read_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise DataError(f"Could not open or find file {path}: {error.strerror}") from error
