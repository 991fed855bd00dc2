"""Blob: an array of a net with its gradient, seen through NumPy as in pycaffe.

`data` and `diff` are float32 arrays of the blob's shape (num, channels, height, width) that can be
written; what is written there, the next pass uses, and while somebody holds on to such an array the
passes of the net write their results into it, as Caffe does.  Within the engine a blob is a PyTorch
tensor, on any device and in any memory format.

Elsewhere: tensors and their arrays (`device_array.py`), who assigns to blobs (`net.py`).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import torch

from digits.caffe.device_array import Array, DeviceArray, flat_part
from digits.caffe.errors import NetError

Shape = tuple[int, ...]
MAX_AXES = 32  # Caffe's kMaxBlobAxes
MAX_COUNT = 2**31 - 1  # values that a blob may have in Caffe


class Blob:
    """An array of the net: a layer's top, or (as `ParamBlob`) a parameter."""

    def __init__(
        self,
        shape: Shape = (),
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._shape = tuple(shape)
        self._device = device or torch.device("cpu")
        self._dtype = dtype
        self._data = DeviceArray(self._device.type != "cpu")
        self._diff = DeviceArray(self._device.type != "cpu")
        self._let_go = False

    @property
    def data(self) -> Array:
        """The values: an array of this blob's shape, which can be written.

        NetError where the net did not keep them.
        """
        if self._let_go:
            raise NetError(
                "the values of this blob were not kept: build the net with keep_blobs=True to look "
                "at blobs within it"
            )
        self.tensor()
        return self._data.array()

    @property
    def diff(self) -> Array:
        """The gradient of the loss by the values; like `data`."""
        self.diff_tensor()
        return self._diff.array()

    @property
    def shape(self) -> Shape:
        """The length of each axis."""
        return self._shape

    @property
    def count(self) -> int:
        """The number of values."""
        return math.prod(self._shape)

    @property
    def num(self) -> int:
        """The length of the first axis; 1 if there is none."""
        return self._legacy_shape(0)

    @property
    def channels(self) -> int:
        """The length of the second axis; 1 if there is none."""
        return self._legacy_shape(1)

    @property
    def height(self) -> int:
        """The length of the third axis; 1 if there is none."""
        return self._legacy_shape(2)

    @property
    def width(self) -> int:
        """The length of the fourth axis; 1 if there is none."""
        return self._legacy_shape(3)

    def reshape(self, *shape: int) -> None:
        """Give the blob another shape; it keeps its memory, or gets zeros if that is too small.

        Raises NetError for a negative length or more than 32 axes.
        """
        wanted = check_shape(shape)
        if wanted == self._shape:
            return
        for values in (self._data, self._diff):
            values.reshape(wanted)
        self._shape = wanted

    def tensor(self) -> torch.Tensor:
        """The values on the device; zeros if nothing was ever put there."""
        values = self._data
        tensor = values.read() if values.has_copy else values.tensor
        if tensor is None:
            tensor = self._zeros()
            values.assign(tensor)
        return tensor

    def diff_tensor(self) -> torch.Tensor:
        """The gradient on the device; zeros if nothing was ever put there."""
        tensor = self._diff.read()
        if tensor is None:
            tensor = self._zeros()
            self._diff.assign(tensor)
        return tensor

    def assign(self, tensor: torch.Tensor) -> None:
        """Take new values, and their shape; the tensor may be part of an autograd graph."""
        if tensor.shape != self._shape:
            self._reset_shape(tuple(tensor.shape))
        self._let_go = False
        self._data.assign(tensor)

    def assign_diff(self, tensor: torch.Tensor) -> None:
        """Take a new gradient, of the blob's shape."""
        self._diff.assign(tensor)

    def release(self) -> None:
        """Let go of the values (not of the shape), so that their memory can be used again."""
        self._data.release()
        self._let_go = True

    def release_diff(self) -> None:
        """Let go of the gradient."""
        self._diff.release()

    def _reset_shape(self, shape: Shape) -> None:
        self._shape = shape
        self._diff.reshape(shape)

    def _zeros(self) -> torch.Tensor:
        try:
            return torch.zeros(self._shape, device=self._device, dtype=self._dtype)
        except RuntimeError as err:
            size = f"{self.count * self._dtype.itemsize / 2**20:.0f} MiB"
            raise NetError(
                f"no memory for a blob of the shape {shape_string(self._shape)} ({size}). Use a "
                "smaller batch."
            ) from err

    def _legacy_shape(self, axis: int) -> int:
        if len(self._shape) > 4:
            raise NetError(
                f"Cannot use legacy accessors on Blobs with > 4 axes: this one has {self._shape}. "
                "Use shape."
            )
        return self._shape[axis] if axis < len(self._shape) else 1


class ParamBlob(Blob):
    """A parameter of the net: its values are a leaf of autograd, its gradient the leaf's `grad`.

    Its arrays have the memory layout of the tensor (channels_last nets: not in axis order).
    """

    def __init__(self, leaf: torch.Tensor) -> None:
        super().__init__(tuple(leaf.shape), leaf.device, leaf.dtype)
        self.leaf = leaf
        self._data.tensor = leaf.detach()

    @property
    def data(self) -> Array:
        """The values: an array of this blob's shape, which can be written."""
        return self._data.array(keep_layout=True)

    @property
    def diff(self) -> Array:
        """The gradient, summed since it was last cleared; zeros if there was none."""
        self.diff_tensor()
        return self._diff.array(keep_layout=True)

    def reshape(self, *shape: int) -> None:
        """Give the parameter another shape; it keeps its values, or gets zeros if they are less."""
        wanted = check_shape(shape)
        if wanted != self._shape:
            kept = flat_part(self.tensor(), wanted)
            self.share(torch.zeros(wanted, device=self._device) if kept is None else kept)

    def share(self, tensor: torch.Tensor) -> None:
        """Have the values of another tensor, in its memory."""
        self.leaf.grad = None
        self.leaf.data = tensor.detach()
        self._shape = tuple(tensor.shape)
        # Not the leaf's: what changes the other one, this one is to notice.
        self._data.assign(tensor.detach())

    def diff_tensor(self) -> torch.Tensor:
        """The gradient on the device; zeros if there was none."""
        if self.leaf.grad is None:
            self.leaf.grad = torch.zeros_like(self.leaf)
        if self._diff.tensor is not self.leaf.grad:
            self._diff.assign(self.leaf.grad)
        self._diff.read()
        return self.leaf.grad

    def assign_diff(self, tensor: torch.Tensor) -> None:
        """Take a new gradient, of the blob's shape."""
        self.leaf.grad = tensor

    def clear_diff(self) -> None:
        """Set the gradient to zero."""
        if self._diff.is_watched() and self.leaf.grad is not None:
            # Whoever holds the array goes on seeing the gradient.
            self._diff.clear()
        else:
            self.leaf.grad = None
            self._diff.release()

    def flush(self) -> None:
        """Bring the device up to date with what was written into the arrays."""
        self._data.read()
        self._diff.read()

    def show(self) -> None:
        """Bring the arrays that somebody holds up to date with what the device did."""
        self._data.show()
        if self._diff.is_watched():
            self.diff_tensor()
            self._diff.show()


class ReshapedParam(ParamBlob):
    """A parameter that a layer shares with its owner under another shape (PERMISSIVE)."""

    def __init__(self, owner: ParamBlob, shape: Shape) -> None:
        super().__init__(owner.leaf)
        self._owner = owner
        self._shape = shape

    @property
    def data(self) -> Array:
        """The owner's values in this shape."""
        return self._owner.data.reshape(self._shape)

    @property
    def diff(self) -> Array:
        """The owner's gradient in this shape."""
        return self._owner.diff.reshape(self._shape)

    def tensor(self) -> torch.Tensor:
        """The owner's values on the device, in this shape."""
        return self._owner.tensor().view(self._shape)

    def diff_tensor(self) -> torch.Tensor:
        """The owner's gradient on the device, in this shape."""
        return self._owner.diff_tensor().view(self._shape)

    def reshape(self, *shape: int) -> None:
        """Refused: the shape follows from the layer."""
        if tuple(shape) != self._shape:
            raise NetError("a parameter that another layer owns cannot be reshaped here.")

    def clear_diff(self) -> None:
        """Set the owner's gradient to zero."""
        self._owner.clear_diff()


def check_shape(shape: Sequence[int]) -> Shape:
    """The shape as a tuple; NetError if Caffe could not have it, TypeError for no whole numbers."""
    wanted = tuple(operator.index(length) for length in shape)
    if any(length < 0 for length in wanted):
        raise NetError(f"a blob cannot have the shape {wanted}: lengths are 0 or more.")
    if len(wanted) > MAX_AXES:
        raise NetError(f"a blob cannot have {len(wanted)} axes, only {MAX_AXES}.")
    if math.prod(wanted) > MAX_COUNT:
        raise NetError(f"blob size exceeds INT_MAX: the shape {wanted} has too many values.")
    return wanted


def shape_string(shape: Shape) -> str:
    """A shape as Caffe's messages have it: `20 1 28 28 (15680)`, `(1)` for a scalar."""
    return "".join(f"{length} " for length in shape) + f"({math.prod(shape)})"
