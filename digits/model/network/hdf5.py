"""Train from HDF5 files: HDF5Data layers, and layers that do what these cannot.

HDF5Data hands over what its files hold; it transforms nothing.  So the mean is subtracted by a
Bias layer whose parameter does not learn and is loaded with the first weights, and the scale
multiplied by a Power layer.  Both stand in train_val and in deploy, which then takes pictures as
they are, from 0 to 255.  What no layer does as a Data layer would, cropping and mirroring at
random, is refused.

In: the Data layers of a training as they would be for an LMDB.  Out: layers in their place.
Elsewhere: where the mean is written (`MeanWeights`), who asks (`training.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digits.caffe.proto import caffe_pb2
from digits.caffe.proto.caffe_pb2 import LayerParameter, NetParameter, ParamSpec
from digits.errors import FormError
from digits.model.network.errors import NetworkError
from digits.model.network.mean_file import read_mean

BACKEND = "hdf5"
# The datasets in the files, in the order of a Data layer's tops; HDF5Data has tops of these names.
DATASETS = ("data", "label")
MEAN_LAYER, SCALE_LAYER = "data-mean", "data-scale"
MEAN_WEIGHTS_FILE = "mean.caffemodel"


@dataclass(frozen=True)
class MeanWeights:
    """What the Bias layer of the mean begins with: minus a picture, or minus a value a channel."""

    mean_file: str = ""  # a binary BlobProto, as files of the job name it
    values: tuple[float, ...] = ()

    def write(self, job_dir: Path) -> None:
        """Write `MEAN_WEIGHTS_FILE`; DataError when the mean cannot be read, OSError."""
        mean = np.array(self.values, np.float32)
        if self.mean_file:
            mean = read_mean(job_dir / self.mean_file)
        layer = LayerParameter(name=MEAN_LAYER, type="Bias")
        parameter = layer.blobs.add()
        parameter.shape.dim.extend(mean.shape)
        parameter.data.extend((-mean).ravel().tolist())
        weights = NetParameter(layer=[layer])
        (job_dir / MEAN_WEIGHTS_FILE).write_bytes(weights.SerializeToString())


def fit_to_hdf5(
    net: NetParameter,
    layers: Sequence[LayerParameter],
    shape: tuple[int, int, int],
    asked: frozenset[str],
) -> tuple[list[LayerParameter], MeanWeights | None]:
    """What reads HDF5 files in place of the Data layers `layers`; `net` gets their mean and scale.

    `shape` is (channels, height, width) of the pictures; `asked` names fields of the form that were
    filled in.  Raises FormError, or NetworkError for what stands in the network, where a layer does
    what HDF5Data cannot.
    """
    for layer in layers:
        _check(layer, shape, asked)
    transform = layers[-1].transform_param
    for layer in layers[:-1]:
        _check_alike(layer, layers[-1])
    prepared = _prepared(layers[-1].top[0], transform, shape[0])
    others = [LayerParameter.FromString(layer.SerializeToString()) for layer in net.layer]
    del net.layer[:]
    net.layer.extend([*prepared, *others])
    result = [made for layer in layers for made in _reading(layer)]
    return result, _mean_weights(transform, shape[0])


def _check(layer: LayerParameter, shape: tuple[int, int, int], asked: frozenset[str]) -> None:
    _, height, width = shape
    crop = layer.transform_param.crop_size
    if crop and (height, width) != (crop, crop):
        _refuse(
            layer,
            "crop_size",
            f"cuts {crop} x {crop} out of pictures",
            f"Make a dataset of {crop} x {crop} pictures, or one with the database LMDB.",
            asked,
        )
    if layer.transform_param.mirror:
        _refuse(
            layer,
            "mirror",
            "mirrors half of the pictures",
            "Choose Mirror: off, or a dataset with the database LMDB.",
            asked,
        )


def _refuse(layer: LayerParameter, field: str, what: str, cure: str, asked: frozenset[str]) -> None:
    reason = "The dataset is stored as HDF5, and HDF5Data layers cannot do that."
    if field in asked or field == "mirror":
        raise FormError({field: [f"The Data layer {layer.name!r} {what}. {reason} {cure}"]})
    raise NetworkError(f"The Data layer {layer.name!r} {what}. {reason} {cure}", layer=layer.name)


def _check_alike(layer: LayerParameter, other: LayerParameter) -> None:
    """Mean and scale stand once for both phases."""
    one, two = layer.transform_param, other.transform_param
    same = (
        one.scale == two.scale
        and one.mean_file == two.mean_file
        and list(one.mean_value) == list(two.mean_value)
        and list(layer.top) == list(other.top)
    )
    if not same:
        raise NetworkError(
            f"The Data layers {layer.name!r} and {other.name!r} differ in their tops, mean or "
            "scale. For a dataset that is stored as HDF5 they must be the same in both phases.",
            layer=other.name,
        )


def _prepared(
    blob: str, transform: caffe_pb2.TransformationParameter, channels: int
) -> list[LayerParameter]:
    """Layers that subtract the mean and multiply by the scale, in place."""
    layers = []
    if mean := _mean_weights(transform, channels):
        layer = LayerParameter(name=MEAN_LAYER, type="Bias", bottom=[blob], top=[blob])
        layer.param.append(ParamSpec(lr_mult=0, decay_mult=0))
        layer.bias_param.axis = 1
        layer.bias_param.num_axes = 3 if mean.mean_file else 1
        layers.append(layer)
    if transform.scale != 1:
        layer = LayerParameter(name=SCALE_LAYER, type="Power", bottom=[blob], top=[blob])
        layer.power_param.scale = transform.scale
        layers.append(layer)
    return layers


def _mean_weights(
    transform: caffe_pb2.TransformationParameter, channels: int
) -> MeanWeights | None:
    if transform.mean_file:
        return MeanWeights(mean_file=transform.mean_file)
    values = list(transform.mean_value)
    if not any(values):
        return None
    return MeanWeights(values=tuple(values * channels if len(values) == 1 else values))


def _reading(layer: LayerParameter) -> list[LayerParameter]:
    """The HDF5Data layer, and layers that rename its tops where the network has other names."""
    made = LayerParameter(name=layer.name, type="HDF5Data", top=DATASETS)
    made.include.extend(layer.include)
    made.hdf5_data_param.source = layer.data_param.source
    made.hdf5_data_param.batch_size = layer.data_param.batch_size
    renaming = []
    for dataset, top in zip(DATASETS, layer.top, strict=True):
        if top != dataset:
            name = f"{layer.name}-{dataset}"
            renamed = LayerParameter(name=name, type="Power", bottom=[dataset], top=[top])
            renamed.include.extend(layer.include)
            renaming.append(renamed)
    return [made, *renaming]
