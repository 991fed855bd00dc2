"""The MemoryData layer: batches cut from arrays that the program puts in.

Tops: data (n, c, h, w) and label (n, 1, 1, 1).  The arrays are used as they are, round and round;
`transform_param` does not touch them.  Source: memory_data_layer.cpp.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from digits.caffe.data.transformer import DataTransformer
from digits.caffe.layers.base import Layer, Shape, register

Floats = npt.NDArray[np.float32]


@register("MemoryData")
class MemoryDataLayer(Layer):
    """Hands over parts of the arrays given to `set_arrays`."""

    exact_bottoms = 0
    exact_tops = 2

    def setup(self, bottoms: Sequence[Shape]) -> None:
        """Check the sizes."""
        param = self.param.memory_data_param
        self.batch_size = param.batch_size
        self.sample_shape = (param.channels, param.height, param.width)
        if min(self.batch_size, *self.sample_shape) <= 0:
            raise self.error(
                "batch_size, channels, height and width must be specified and above 0 in "
                f"memory_data_param, received {self.batch_size} and {self.sample_shape}"
            )
        # The arrays are not transformed, but Caffe opens the mean file and checks the fields.
        transform = self.param.transform_param
        mean_file = os.path.join(self.context.base_dir, transform.mean_file)
        DataTransformer(transform, self.training, mean_file)
        self._data: torch.Tensor | None = None
        self._labels: torch.Tensor | None = None
        self._position = 0

    def set_arrays(self, data: Floats, labels: Floats) -> None:
        """Use `data` (count, c, h, w) and `labels` (count, or any shape of as many values).

        They are not copied if they are float32.  Raises LayerError unless the sizes fit and the
        count is a multiple of the batch size.
        """
        data = np.ascontiguousarray(data, np.float32)
        labels = np.ascontiguousarray(labels, np.float32)
        count = data.shape[0] if data.ndim else 0
        if data.shape[1:] != self.sample_shape:
            raise self.error(
                f"the data must have the shape (count, {', '.join(map(str, self.sample_shape))}), "
                f"received {data.shape}"
            )
        if labels.size != count:
            raise self.error(f"{count} labels are needed, received an array of {labels.shape}")
        if count == 0 or count % self.batch_size:
            raise self.error(
                f"the number of samples must be a multiple of batch_size {self.batch_size}, "
                f"received {count}"
            )
        self._data = torch.from_numpy(data)
        self._labels = torch.from_numpy(labels.reshape(-1, 1, 1, 1))
        self._position = 0

    def reshape(self, bottoms: Sequence[Shape]) -> Sequence[Shape | None]:
        """Data and label."""
        return [(self.batch_size, *self.sample_shape), (self.batch_size, 1, 1, 1)]

    def forward(self, bottoms: Sequence[torch.Tensor]) -> Sequence[torch.Tensor | None]:
        """The next part of the arrays."""
        if self._data is None or self._labels is None:
            raise self.error("needs data: call Net.set_input_arrays(data, labels) before forward")
        part = slice(self._position, self._position + self.batch_size)
        self._position = part.stop % len(self._data)
        device, dtype = self.context.device, self.context.dtype
        # Copies, so that writing into a blob leaves the user's arrays alone.
        return [array[part].to(device, dtype, copy=True) for array in (self._data, self._labels)]
