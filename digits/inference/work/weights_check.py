"""Compare a file of weights with a net, before a training would find out.

As in Caffe, weights are taken by layer name; a layer of the same name must have the same number of
parameters, of the same shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py

from digits.caffe.errors import WeightsError
from digits.caffe.formats.weights_file import SourceBlob, WeightsFile
from digits.caffe.nets.nodes import Node, Parts
from digits.caffe.nets.weights_hdf5 import check_self_contained, is_hdf5
from digits.inference.operations import SkippedWeights

Shape = tuple[int, ...]
# What to do about weights that do not fit, where the network is to be trained.
CURE = "Rename the layer to let it learn from scratch."


@dataclass(frozen=True)
class Comparison:
    """Names of layers that take weights; what is left aside; what does not fit.

    `untold` are the layers of the net that the file says nothing of.
    """

    loaded: tuple[str, ...]
    skipped: tuple[SkippedWeights, ...]
    misfits: tuple[SkippedWeights, ...]
    untold: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Stored:
    """A layer in the file: its parameters by number, without their values."""

    name: str
    blobs: Mapping[int, SourceBlob]


def compare_weights(parts: Parts, path: Path) -> Comparison:
    """What becomes of the weights in `path`.  Raises WeightsError when it is no such file."""
    nodes = {node.name: node for node in reversed(parts.nodes)}
    loaded: list[str] = []
    skipped: list[SkippedWeights] = []
    misfits: list[SkippedWeights] = []
    stored = _stored_layers(path)
    for layer in stored:
        node = nodes.get(layer.name)
        if node is None:
            if layer.blobs:
                skipped.append(SkippedWeights(layer.name, "the network has no layer of this name"))
        elif problem := _misfit(node, layer):
            misfits.append(SkippedWeights(layer.name, problem))
        elif layer.blobs:
            loaded.append(layer.name)
    known = {layer.name for layer in stored}
    untold = [node.name for node in parts.nodes if node.params and node.name not in known]
    skipped += [
        SkippedWeights(name, "the file has no weights for it, so it learns from scratch")
        for name in untold
    ]
    return Comparison(tuple(loaded), tuple(skipped), tuple(misfits), tuple(untold))


def _misfit(node: Node, layer: _Stored) -> str:
    # HDF5 files leave out what another layer owns.
    expected = {use.index for use in node.params if use.owner < 0} | set(layer.blobs)
    if expected != set(layer.blobs) or len(layer.blobs) > len(node.params):
        return (
            f"the weights have {len(layer.blobs)} parameters for layer {layer.name!r}, the "
            f"network has {len(node.params)}"
        )
    for index, blob in layer.blobs.items():
        shape = node.params[index].shape
        if not blob.fits(shape):
            return (
                f"parameter {index} of layer {layer.name!r} has the shape {_text(blob.shape)} in "
                f"the weights, {_text(shape)} in the network"
            )
    return ""


def _stored_layers(path: Path) -> list[_Stored]:
    if is_hdf5(str(path)):
        return _in_hdf5(path)
    return [
        _Stored(layer.name, dict(enumerate(layer.blobs))) for layer in WeightsFile(str(path)).layers
    ]


def _in_hdf5(path: Path) -> list[_Stored]:
    found: dict[str, dict[int, SourceBlob]] = {}

    def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
        layer, _, number = name.rpartition("/")
        if isinstance(item, h5py.Dataset) and number.isdigit():
            found.setdefault(layer, {})[int(number)] = SourceBlob(tuple(item.shape))

    try:
        with h5py.File(path, "r") as file:
            check_self_contained(file, path.name)
            if not isinstance(file.get("data"), h5py.Group):
                raise WeightsError(f"{path.name} is HDF5, but no weights: it has no group 'data'.")
            file["data"].visititems(visit)
    except OSError as error:
        raise WeightsError(f"{path.name} cannot be read as HDF5: {error}.") from error
    return [_Stored(name, blobs) for name, blobs in found.items()]


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "scalar"
