"""Caffe's DataTransformer: crop, mirror, mean, scale.

In: samples of one batch (uint8 or float32).  Out: (x - mean) * scale, a float32 tensor
(n, c, h, w).
Two steps: `cut` crops and mirrors, ahead of time and in the samples' own type, which is a quarter
of the memory; `finish` subtracts and scales, where the net takes the batch, on its device.

The random decisions come from a generator that is given for the batch, three numbers a sample
whether all are needed or not, so that they do not depend on what the samples look like.

Source: data_transformer.cpp.  Same results, bit for bit, except for where the random numbers come
from.  Elsewhere: who decodes (`datum.py`) and who asks (`layers/data.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from digits.caffe.data import means
from digits.caffe.data.datum import Sample
from digits.caffe.errors import DataError
from digits.caffe.proto.caffe_pb2 import TransformationParameter

Size = tuple[int, int, int]


@dataclass(frozen=True)
class Window:
    """What is cut out of a sample, in pixels, and whether it is mirrored."""

    top: int
    left: int
    mirror: bool


@dataclass(frozen=True)
class Cut:
    """A batch, cropped and mirrored: uint8 or float32, (n, c, h, w), in memory in any order.

    `windows` say where each sample was cut, which its part of a mean image depends on.
    """

    values: torch.Tensor
    windows: list[Window]


class DataTransformer:
    """The transformation that a data layer applies to its samples."""

    def __init__(self, param: TransformationParameter, train: bool, path_of_mean: str = "") -> None:
        """`path_of_mean` stands for the mean_file where that is relative to some other folder.

        Raises DataError for fields that exclude each other and for a mean file that is none.
        """
        if param.HasField("mean_file") and param.mean_value:
            raise DataError("transform_param has both mean_file and mean_value; give one of them")
        if param.force_color and param.force_gray:
            raise DataError("transform_param has both force_color and force_gray; give one of them")
        self._param = param
        self._train = train
        self._mean = _mean(param, path_of_mean)
        self.is_random = param.mirror or (train and param.crop_size > 0)

    @property
    def color(self) -> bool | None:
        """What encoded pictures are decoded to: colour, grey, or (None) as they are."""
        if self._param.force_color:
            return True
        return False if self._param.force_gray else None

    def changes(self, sample: Sample) -> bool:
        """Whether chance makes a difference to such a sample: not where the crop is all of it."""
        _, height, width = sample.shape
        crop = self._param.crop_size
        is_cropped = self._train and crop > 0 and (height, width) != (crop, crop)
        return bool(self._param.mirror) or is_cropped

    def identity(self) -> str:
        """What tells this transformation from others."""
        param = TransformationParameter()
        param.CopyFrom(self._param)
        param.ClearField("mean_file")
        mean = "" if self._mean is None else self._mean.cpu().numpy().tobytes().hex()
        digest = hashlib.sha256(mean.encode()).hexdigest()
        # In the TEST phase a crop is the middle.
        return repr((param.SerializeToString(deterministic=True), digest, self._train))

    def output_shape(self, sample: Sample) -> Size:
        """Channels, height and width after the transformation of this sample.

        Raises DataError if the sample is too small for the crop, or does not fit the mean.
        """
        channels, height, width = sample.shape
        crop = self._param.crop_size
        if crop > height or crop > width:
            raise DataError(
                f"{sample.where}: crop_size {crop} is larger than the picture, which is "
                f"{width} x {height} (width x height); use a smaller crop_size or larger pictures"
            )
        self._check_mean(sample)
        return (channels, crop, crop) if crop else (channels, height, width)

    def cut(
        self, samples: Sequence[Sample], random: np.random.Generator | None, pin: bool = False
    ) -> Cut:
        """Crop and mirror `samples`, which must all come to the shape of the first.

        `random` may be None where `is_random` is false; `pin` makes the memory ready for a GPU.
        Raises DataError for a sample that does not fit.
        """
        shape = self.output_shape(samples[0])
        shapes = [sample.shape for sample in samples]
        for sample, own in zip(samples, shapes, strict=True):
            if own != shapes[0]:
                self._check_fits(sample, shape)
        windows = self._windows(shapes, random)
        last = samples[0].channels_last
        dtype = np.result_type(*{sample.values.dtype for sample in samples})
        values = torch.empty(
            (len(samples), *shape),
            dtype=torch.uint8 if dtype == np.uint8 else torch.float32,
            memory_format=torch.channels_last if last else torch.contiguous_format,
            pin_memory=pin,
        )
        out = values.numpy()
        for index, (sample, window) in enumerate(zip(samples, windows, strict=True)):
            pixels = sample.values.transpose(2, 0, 1) if sample.channels_last else sample.values
            out[index] = _cut(pixels, window, shape)
        return Cut(values, windows)

    def finish(self, cut: Cut, device: torch.device) -> torch.Tensor:
        """(cut - mean) * scale in float32 and in Caffe's order, on `device`."""
        values = cut.values.to(device, non_blocking=True)
        if self._mean is not None:
            values = self._subtract(values, cut.windows)
        if self._param.scale != 1:
            owned = self._mean is not None
            return values.mul_(self._param.scale) if owned else values * self._param.scale
        return values.float()

    def _subtract(self, values: torch.Tensor, windows: list[Window]) -> torch.Tensor:
        assert self._mean is not None  # noqa: S101  # the caller's condition
        if self._mean.device != values.device:
            self._mean = self._mean.to(values.device)
        shape = values.shape[1:]
        if self._mean.shape[1:] == (1, 1) or len(set(windows)) == 1:
            return values - _cut_mean(self._mean, windows[0], shape)
        # The mean belongs to a place in the uncut picture, so it is cut and mirrored with it.
        out = torch.empty_like(values, dtype=torch.float32)
        if values.device.type != "cpu":
            return torch.sub(values, cut_means(self._mean, windows, shape), out=out)
        for value, window, place in zip(values, windows, out, strict=True):
            torch.sub(value, _cut_mean(self._mean, window, shape), out=place)
        return out

    def _windows(self, shapes: list[Size], random: np.random.Generator | None) -> list[Window]:
        if not self.is_random:
            known = {shape: self._window(shape, (0, 0, 0)) for shape in set(shapes)}
            return [known[shape] for shape in shapes]
        assert random is not None  # noqa: S101  # our own data layers always give one
        draws = random.integers(0, 1 << 32, size=(len(shapes), 3), dtype=np.uint32)
        return list(map(self._window, shapes, draws.tolist()))

    def _window(self, shape: Size, draw: Sequence[int]) -> Window:
        _, height, width = shape
        crop = self._param.crop_size
        mirror = self._param.mirror and draw[0] % 2 == 1
        if not crop:
            return Window(0, 0, mirror)
        if self._train:
            return Window(draw[1] % (height - crop + 1), draw[2] % (width - crop + 1), mirror)
        return Window((height - crop) // 2, (width - crop) // 2, mirror)

    def _check_fits(self, sample: Sample, shape: Size) -> None:
        found = self.output_shape(sample)
        if found != shape:
            raise DataError(
                f"{sample.where}: the record has the shape {_text(sample.shape)}, which comes to "
                f"{_text(found)} (channels x height x width), but the batch began with one that "
                f"comes to {_text(shape)}; all records of a batch need one shape"
            )

    def _check_mean(self, sample: Sample) -> None:
        if self._param.HasField("mean_file") and self._mean is not None:
            shape = tuple(self._mean.shape)
            if shape != sample.shape:
                raise DataError(
                    f"{sample.where}: the mean file {self._param.mean_file} has the shape "
                    f"{_text(shape)}, the record {_text(sample.shape)} (channels x height x "
                    "width); make the mean from the same database"
                )
        count = len(self._param.mean_value)
        if count not in (0, 1, sample.shape[0]):
            raise DataError(
                f"{sample.where}: {count} mean_value are given, but the record has "
                f"{sample.shape[0]} channels; specify either 1 mean_value or as many as channels"
            )


def _mean(param: TransformationParameter, path: str) -> torch.Tensor | None:
    """The mean image (c, h, w), the mean values (c or 1, 1, 1), or nothing."""
    if param.HasField("mean_file"):
        return torch.from_numpy(means.read_mean_file(path or param.mean_file))
    if param.mean_value:
        return torch.tensor(list(param.mean_value), dtype=torch.float32).view(-1, 1, 1)
    return None


def _cut(values: npt.NDArray[np.generic], window: Window, shape: Size) -> npt.NDArray[np.generic]:
    _, height, width = shape
    values = values[:, window.top : window.top + height, window.left : window.left + width]
    return values[:, :, ::-1] if window.mirror else values


def cut_means(mean: torch.Tensor, windows: Sequence[Window], shape: Sequence[int]) -> torch.Tensor:
    """The part of a mean image for each window, (n, c, h, w), on the mean's device.

    One operation for all of them: on a GPU each one costs a launch.
    """
    _, height, width = shape
    places = torch.tensor([(w.top, w.left, w.mirror) for w in windows], dtype=torch.int64)
    if mean.device.type == "cuda":
        places = places.pin_memory().to(mean.device, non_blocking=True)
    top, left, mirror = places[:, 0, None], places[:, 1, None], places[:, 2, None] > 0
    columns = torch.arange(width, device=mean.device)
    columns = left + torch.where(mirror, width - 1 - columns, columns)
    rows = top + torch.arange(height, device=mean.device)
    return mean[:, rows[:, :, None], columns[:, None, :]].transpose(0, 1)


def _cut_mean(mean: torch.Tensor, window: Window, shape: Sequence[int]) -> torch.Tensor:
    if mean.shape[1:] == (1, 1):
        return mean
    _, height, width = shape
    mean = mean[:, window.top : window.top + height, window.left : window.left + width]
    return mean.flip(2) if window.mirror else mean


def _text(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
