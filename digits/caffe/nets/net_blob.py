"""A blob of a net: one that may lie in another's memory, and that notices what is written by hand.

In Caffe the tops of Split, Flatten and Reshape have no memory of their own: whoever writes into one
of them writes into the bottom, and into what all others see.  `follow` does the same.
Where a net keeps its blobs (`is_kept`), the values are compared with what they were when their
array was handed out, so that a backward pass can tell whether what a layer saw in its forward pass
is still there.
Elsewhere: arrays and tensors (`blob.py`), what a backward pass makes of it (`replay.py`).
"""

from __future__ import annotations

import torch

from digits.caffe.blob import Blob, Shape
from digits.caffe.device_array import Array


class NetBlob(Blob):
    """A top of a layer."""

    def __init__(
        self,
        shape: Shape = (),
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(shape, device, dtype)
        self.is_kept = False
        self._source: NetBlob | None = None
        self._handed_out: torch.Tensor | None = None  # a copy, from when the array was
        self._edits = 0
        self._writes = 0

    def follow(self, source: NetBlob) -> None:
        """Have the values of another blob, in its memory, from now on."""
        self._data.release()
        self._source = source

    @property
    def data(self) -> Array:
        """The values: an array of this blob's shape, which can be written.

        NetError where the net did not keep them.
        """
        if self._source is None:
            array = super().data
            if self.is_kept and self._handed_out is None:
                self._handed_out = self.tensor().detach().clone()
            return array
        memory = self._source.data
        if memory.size == self.count:
            return memory.reshape(self._shape)
        # The bottom has another shape, and the net was not run or reshaped since.
        self._source.reshape_to_hold(self.count)
        return self._source.data.reshape(-1)[: self.count].reshape(self._shape)

    def reshape_to_hold(self, count: int) -> None:
        """Make room for so many values."""
        if self.count < count:
            self.reshape(count)

    def tensor(self) -> torch.Tensor:
        """The values on the device; zeros if nothing was ever put there."""
        if self._source is None:
            return super().tensor()
        values = self._source.tensor()
        if values.shape == self._shape:
            return values
        if values.numel() != self.count:
            return self._zeros()
        return self._source.in_order().view(self._shape)

    def in_order(self) -> torch.Tensor:
        """The values on the device, in memory that is in the order of the axes."""
        values = self.tensor()
        if not values.is_contiguous():
            values = values.contiguous()
            self._data.assign(values)
        return values

    def assign(self, tensor: torch.Tensor) -> None:
        """Take new values, and their shape; a follower takes the shape, it has the values."""
        if self._source is not None:
            if tensor.shape != self._shape:
                self._reset_shape(tuple(tensor.shape))
            return
        super().assign(tensor)
        if self.is_kept:
            self._writes += 1
            self._handed_out = tensor.detach().clone() if self.is_watched() else None

    def release(self) -> None:
        """Let go of the values (not of the shape), so that their memory can be used again."""
        if self._source is None:
            super().release()

    def reshape(self, *shape: int) -> None:
        """Give the blob another shape; it keeps its memory, or gets zeros if that is too small."""
        before = self._shape
        super().reshape(*shape)
        self._writes += before != self._shape

    def is_watched(self) -> bool:
        """Whether somebody still has the array of the values, or a part of it."""
        return self._data.is_watched() if self._source is None else self._source.is_watched()

    @property
    def writes(self) -> int:
        """How often the net wrote the values, or the shape was changed."""
        return self._writes + (0 if self._source is None else self._source.writes)

    def edits(self) -> int:
        """How often the values were found changed by somebody who had been given the array."""
        if self._source is not None:
            return self._source.edits()
        if self._handed_out is not None:
            values = self.tensor().detach()
            is_same = _same(values, self._handed_out)
            self._edits += not is_same
            if not self.is_watched():
                self._handed_out = None
            elif not is_same:
                self._handed_out = values.clone()
        return self._edits


def _same(first: torch.Tensor, second: torch.Tensor) -> bool:
    if first.shape != second.shape:
        return False
    # nan is the same as nan here.
    return torch.equal(first, second) or bool(
        ((first == second) | (first.isnan() & second.isnan())).all()
    )
