"""Pictures of a database as a training would see them: changed by the code that trains.

Elsewhere: what chance does (`caffe/data/augmenter.py`), which records there are (`exploring.py`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from digits.caffe.data import pictures
from digits.caffe.data.augmenter import Augmenter, Chance, chances
from digits.caffe.data.datum import Sample
from digits.caffe.data.transformer import DataTransformer
from digits.caffe.errors import DataError
from digits.caffe.proto.caffe_pb2 import TransformationParameter
from digits.inference.errors import BadRequest
from digits.inference.operations import AugmentRecords, Samples, Thumbnail, Treatment
from digits.inference.work.exploring import Stored, index_of, spread
from digits.inference.work.state import State

Pixels = npt.NDArray[np.uint8]

MOST_PICTURES = 25
# Larger ones are shrunk before they are changed: somebody waits, and sees no more than that.
LARGEST_SIDE = 1024
SHOWN_SIDE = 192
# White noise around this, as far as whitened pictures go: 2 deviations either way.
_MIDDLE, _PER_DEVIATION = 128, 64


def augment_records(state: State, request: AugmentRecords) -> Samples:
    """Records at even distances, each changed by chance."""
    index = index_of(state, request.database)
    numbers = spread(len(index.labels), min(request.count, MOST_PICTURES), request.turn)
    augmenter = Augmenter(request.treatment.augmentation)
    made = [
        _shown(number, int(index.labels[number]), stored, augmenter, request.treatment, chance)
        for number, stored, chance in zip(
            numbers, index.read(numbers), chances(request.turn, 0, len(numbers)), strict=True
        )
    ]
    return Samples(tuple(made))


def _shown(
    number: int,
    label: int,
    stored: Stored,
    augmenter: Augmenter,
    treatment: Treatment,
    chance: Chance,
) -> Thumbnail:
    """One picture as training has it; BadRequest where it cannot be changed."""
    if stored.reason:
        return Thumbnail(number, label, "", b"", stored.reason)
    try:
        sample = _sample(stored, number)
        seen = augmenter.augmented(sample, chance)
        pixels = _transformed(seen, treatment, sample, number)
    except DataError as error:
        raise BadRequest(f"{error}.") from error
    if treatment.whitening:
        pixels = _whitened(pixels)
    return Thumbnail(number, label, "png", pictures.encode(_shrunk(pixels, SHOWN_SIDE), "png"))


def _sample(stored: Stored, number: int) -> Sample:
    where = f"picture {number}"
    if stored.pixels is None:
        pixels = pictures.decode(stored.encoded, None, where)
    else:
        pixels = stored.pixels[:, :, ::-1]  # OpenCV's order
    return Sample(_shrunk(np.ascontiguousarray(pixels), LARGEST_SIDE), True, where)


def _transformed(seen: Sample, treatment: Treatment, stored: Sample, number: int) -> Pixels:
    """Cropped and mirrored as a data layer does it."""
    _, height, width = stored.shape
    crop = treatment.crop_size if treatment.crop_size <= min(height, width) else 0
    param = TransformationParameter(crop_size=crop, mirror=treatment.mirror)
    cut = DataTransformer(param, train=True).cut([seen], np.random.default_rng(number))
    pixels: Pixels = np.ascontiguousarray(cut.values[0].numpy().transpose(1, 2, 0))
    return pixels


def _whitened(pixels: Pixels) -> Pixels:
    values = pixels.astype(np.float32)
    values = (values - values.mean()) / max(float(values.std()), 1e-6)
    shown: Pixels = np.clip(np.rint(_MIDDLE + _PER_DEVIATION * values), 0, 255).astype(np.uint8)
    return shown


def _shrunk(pixels: Pixels, side: int) -> Pixels:
    """With at most `side` pixels a side."""
    factor = side / max(pixels.shape[:2])
    if factor >= 1:
        return pixels
    width, height = (max(1, round(length * factor)) for length in pixels.shape[1::-1])
    library = pictures.opencv()
    shrunk: Pixels = library.resize(pixels, (width, height), interpolation=library.INTER_AREA)
    return shrunk if shrunk.ndim == 3 else shrunk[:, :, np.newaxis]
