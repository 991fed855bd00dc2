"""The HDF5Output layer: writes its bottoms into an HDF5 file.

Bottoms: data and label, with one number of samples.  No tops.  Each pass is added to the datasets
`data` and `label`; a net's first pass begins the file anew.
Source: hdf5_output_layer.cpp.  Difference: Caffe fails at the second pass, ours appends.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch

from digits.caffe.errors import DataError
from digits.caffe.layers.base import Layer, LayerContext, Shape, register
from digits.caffe.proto import caffe_pb2


@register("HDF5Output")
class HDF5OutputLayer(Layer):
    """Writes data and labels."""

    exact_bottoms = 2
    exact_tops = 0

    def __init__(self, param: caffe_pb2.LayerParameter, context: LayerContext) -> None:
        super().__init__(param, context)
        self._file: Any = None

    def setup(self, bottoms: Sequence[Shape]) -> None:
        """Begin the file."""
        name = self.param.hdf5_output_param.file_name
        if not name:
            raise self.error("hdf5_output_param needs a file_name")
        import h5py  # noqa: PLC0415  # slow to load, and few nets write HDF5

        path = os.path.join(self.context.base_dir, name)
        try:
            self._file = h5py.File(path, "w")
        except OSError as error:
            raise DataError(f"Failed to open HDF5 file {path}: {error}") from error

    def reshape(self, bottoms: Sequence[Shape]) -> Sequence[Shape | None]:
        """No tops; data and labels must belong together."""
        data, label = bottoms
        if data[:1] != label[:1]:
            raise self.error(
                f"data and label must have the same number of samples, received {data} and {label}"
            )
        return []

    def forward(self, bottoms: Sequence[torch.Tensor]) -> Sequence[torch.Tensor | None]:
        """Append this pass."""
        for name, bottom in zip(("data", "label"), bottoms, strict=True):
            values = bottom.detach().cpu().numpy()
            if name in self._file:
                dataset = self._file[name]
                dataset.resize(len(dataset) + len(values), axis=0)
                dataset[-len(values) :] = values
            else:
                self._file.create_dataset(name, data=values, maxshape=(None, *values.shape[1:]))
        self._file.flush()
        return []

    def accepts_gradient(self, index: int) -> bool:
        """It ends the flow of data."""
        return False

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
