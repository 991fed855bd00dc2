"""Weights as HDF5: a group `data` with a group a layer, with datasets "0", "1", ... a parameter.

With gradients there is a group `diff` of the same form.  A parameter that another layer owns is not
stored.  Source: Net::ToHDF5 and CopyTrainedLayersFromHDF5 in net.cpp, hdf5.cpp.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from digits.caffe.blob import shape_string
from digits.caffe.errors import WeightsError
from digits.caffe.formats.files import written_whole
from digits.caffe.formats.weights_file import check_nan
from digits.caffe.machine.log import at
from digits.caffe.nets.nodes import NetParam, Node, Parts

if TYPE_CHECKING:
    import h5py

log = logging.getLogger(__name__)

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: str) -> bool:
    """Whether a file is HDF5, by its first bytes."""
    try:
        with open(path, "rb") as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE
    except OSError:
        return False


def copy_from(parts: Parts, path: str, allow_nan: bool) -> None:
    """Take the weights of layers of the same name; raises WeightsError as `weights.copy_from`."""
    import h5py  # noqa: PLC0415  # slow to load, and few weights are HDF5

    nodes = {node.name: node for node in reversed(parts.nodes)}
    try:
        with h5py.File(path, "r") as file:
            check_self_contained(file, path)
            for name, group in _layer_groups(_group(file, path)):
                if name in nodes:
                    _copy_layer(nodes[name], group, path, allow_nan)
                else:
                    log.info("Ignoring source layer %s", name, extra=at("net.cpp:808"))
    except OSError as err:
        raise WeightsError(f"{path}: cannot be read as HDF5: {err}. Check the path.") from err


def save(parts: Parts, path: str, diffs: bool) -> None:
    """Write the weights, and with `diffs` the gradients, whole or not at all."""
    import h5py  # noqa: PLC0415  # slow to load, and few weights are HDF5

    try:
        with written_whole(path) as part, h5py.File(part, "w") as file:
            for key in ["data", "diff"] if diffs else ["data"]:
                root = file.create_group(key)
                for node in parts.nodes:
                    _save_layer(root.require_group(node.name), node, key)
    except OSError as err:
        raise WeightsError(f"{path}: cannot be written: {err}.") from err


def check_self_contained(file: h5py.File, path: str) -> None:
    """WeightsError for a file that leads out of itself.

    HDF5 can link to other files and take a dataset's bytes from any file on the disk: weights of a
    stranger would then carry what stands there into a snapshot.  Caffe writes neither.
    """
    import h5py  # noqa: PLC0415  # slow to load, and few weights are HDF5

    waiting = [file["/"]]
    seen = set()
    while waiting:
        group = waiting.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            raise WeightsError(f"{path}: its group {group.name!r} is in two places.")
        seen.add(address)
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise WeightsError(
                    f"{path}: {name!r} is a link; weights must stand in the file itself."
                )
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
                raise WeightsError(
                    f"{path}: the values of {name!r} are in other files; weights must stand in the "
                    "file itself."
                )


def _group(file: h5py.File, path: str) -> h5py.Group:
    import h5py  # noqa: PLC0415  # slow to load, and few weights are HDF5

    group = file.get("data")
    if not isinstance(group, h5py.Group):
        raise WeightsError(f"{path}: is HDF5, but no weights: it has no group 'data'.")
    return group


def _layer_groups(root: h5py.Group, prefix: str = "") -> Iterator[tuple[str, h5py.Group]]:
    """All layers with their groups, by name; a layer's name may have slashes in it."""
    import h5py  # noqa: PLC0415  # slow to load, and few weights are HDF5

    for key in root:
        group = root[key]
        if not isinstance(group, h5py.Group):
            continue
        inner = [child for child in group.values() if isinstance(child, h5py.Group)]
        if len(group) > len(inner) or not inner:
            yield prefix + key, group
        yield from _layer_groups(group, f"{prefix}{key}/")


def _datasets(group: h5py.Group) -> dict[str, h5py.Dataset]:
    import h5py  # noqa: PLC0415  # slow to load, and few weights are HDF5

    return {name: item for name, item in group.items() if isinstance(item, h5py.Dataset)}


def _copy_layer(node: Node, group: h5py.Group, path: str, allow_nan: bool) -> None:
    stored = _datasets(group)
    missing = [u for u in node.params if str(u.index) not in stored and u.owner < 0]
    if len(stored) > len(node.params) or missing:
        raise WeightsError(
            f"Incompatible number of blobs for layer {node.name}: {path} has {len(stored)}, the "
            f"net {len(node.params)}."
        )
    for use in node.params:
        if str(use.index) in stored:
            _copy_param(node, use, stored[str(use.index)], path)
            if not allow_nan:
                check_nan(use.blob.tensor(), node.name, use.index, path)


def _copy_param(node: Node, use: NetParam, dataset: h5py.Dataset, path: str) -> None:
    if dataset.dtype.kind not in "fiu":
        raise WeightsError(
            f"{path}: param {use.index} of layer '{node.name}' has the type {dataset.dtype}, not "
            "numbers."
        )
    if tuple(dataset.shape) != use.shape:
        raise WeightsError(
            f"Cannot load blob from hdf5; shape mismatch. Source shape is "
            f"{shape_string(dataset.shape)} target shape is {shape_string(use.shape)} (param "
            f"{use.index} of layer '{node.name}')."
        )
    target = use.blob.tensor()
    with torch.no_grad():
        if target.device.type == "cpu" and target.is_contiguous() and target.numel():
            dataset.read_direct(target.detach().numpy())
        else:
            target.copy_(torch.from_numpy(np.asarray(dataset[()], np.float32)))


def _save_layer(group: h5py.Group, node: Node, key: str) -> None:
    for use in node.params:
        if use.owner < 0:
            tensor = use.blob.tensor() if key == "data" else use.blob.diff_tensor()
            group.create_dataset(str(use.index), data=tensor.detach().cpu().numpy(), dtype="f4")
