"""A tensor on a device, seen as a NumPy array on the host.

In: tensors of a net.  Out: arrays that can be written, as pycaffe has them.
Elsewhere: who looks (`blob.py`).
"""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy.typing as npt
import torch

Shape = tuple[int, ...]
Array = npt.NDArray[Any]


class DeviceArray:
    """A tensor on the device and, while somebody looks at it, its array on the host.

    On the CPU both are the same memory.  Elsewhere the array is a copy: it is read back from the
    device when asked for and something changed there, and what was written into it goes to the
    device when the net next reads the values.  Where nothing was written, nothing goes: the device
    may have gone on since.
    """

    __slots__ = ("_agreed", "_apart", "_array", "_host", "_memory", "_version", "tensor")

    def __init__(self, apart: bool) -> None:
        """`apart`: the device is not the host, so that arrays are copies."""
        self._apart = apart
        self.tensor: torch.Tensor | None = None
        # What `tensor` is a part of, after a change to a smaller shape.
        self._memory: torch.Tensor | None = None
        self._host: torch.Tensor | None = None
        self._array: weakref.ref[Array] | None = None
        # Of a copy: what both held when they last agreed, and how often `tensor` had been changed.
        self._agreed: torch.Tensor | None = None
        self._version = 0

    @property
    def has_copy(self) -> bool:
        """Whether there is an array apart from the tensor, into which something may be written."""
        return self._agreed is not None

    def read(self) -> torch.Tensor | None:
        """The tensor, brought up to date with what was written into its array."""
        if self._agreed is None or self._host is None or self.tensor is None:
            return self.tensor
        if not _same_bits(self._host, self._agreed):
            # `data`: a graph that saved the old values goes on with the new ones, as in Caffe.
            self.tensor.data.copy_(self._host)
            self._agreed.copy_(self._host)
        if not self.is_watched():
            self._forget_array()
        return self.tensor

    def show(self) -> None:
        """Bring an array that somebody holds up to date with what the device did since."""
        if self._agreed is not None and self.tensor is not None and self.is_watched():
            self._copy(self.tensor)

    def assign(self, tensor: torch.Tensor) -> None:
        """Take over a tensor; if an array of the same shape is in use, write into that as well."""
        self._memory = None
        host = self._host if self.is_watched() else None
        if host is None or host.shape != tensor.shape:
            self.tensor = tensor
            self._forget_array()
            return
        values = tensor.detach()
        if host.data_ptr() != values.data_ptr():
            host.copy_(values)
        # With a graph of several layers the tensor itself must go on; else the array is the truth.
        shares = not self._apart and not tensor.requires_grad
        self.tensor = host if shares else tensor
        self._agree()

    def clear(self) -> None:
        """Set the values to zero, and those of an array that is in use."""
        if self.tensor is not None:
            self.tensor.zero_()
            if self._agreed is not None and self._host is not None:
                self._host.zero_()
                self._agree()

    def release(self) -> None:
        """Let go of the tensor, but for an array that is in use: the next values go there too."""
        self.tensor = self._memory = None
        if not self.is_watched():
            self._forget_array()

    def reshape(self, shape: Shape) -> None:
        """Another shape over the same memory; where that is too small, nothing is kept."""
        if self.tensor is None or self.tensor.shape == shape:
            return
        self.read()
        memory = self.tensor.detach() if self._memory is None else self._memory
        tensor = flat_part(memory, shape)
        self._forget_array()
        self.tensor, self._memory = (None, None) if tensor is None else (tensor, memory)

    def array(self, keep_layout: bool = False) -> Array:
        """The values as an array that can be written; there must be some.

        Unless `keep_layout`, its memory is in the order of its axes, so that reshaping it gives a
        view.
        """
        assert self.tensor is not None  # noqa: S101  # blobs make zeros before they are looked at
        tensor = self.tensor.detach()
        if not self._apart:
            if not keep_layout and not tensor.is_contiguous():
                self.tensor = tensor = tensor.contiguous()
            host = tensor
        else:
            host = self._copy(tensor)
        self._host = host
        known = self._array() if self._array else None
        if known is None or known.ctypes.data != host.data_ptr():
            known = host.numpy()
            self._array = weakref.ref(known)
        return known

    def is_watched(self) -> bool:
        """Whether somebody still has the array, or a part of it."""
        return self._array is not None and self._array() is not None

    def _copy(self, tensor: torch.Tensor) -> torch.Tensor:
        """The values in the host's memory, read back where the device has gone on."""
        self.read()
        if self._agreed is None or self._host is None:
            self._host = torch.empty(tensor.shape, dtype=tensor.dtype)
        elif self._version == tensor._version:
            return self._host
        self._host.copy_(tensor)
        self._agree()
        return self._host

    def _agree(self) -> None:
        """Note that tensor and array hold the same, where they are apart."""
        if self.tensor is None or self._host is None or not self._apart:
            self._agreed = None
        else:
            self._agreed, self._version = self._host.clone(), self.tensor._version

    def _forget_array(self) -> None:
        self._host = self._array = self._agreed = None


def flat_part(tensor: torch.Tensor, shape: Shape) -> torch.Tensor | None:
    """The first values of a tensor in another shape, in the same memory; None if they are less."""
    count = math.prod(shape)
    return None if count > tensor.numel() else tensor.detach().reshape(-1)[:count].view(shape)


def _same_bits(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether two arrays of the host hold the same, nan included."""
    return torch.equal(first.view(-1).view(torch.uint8), second.view(-1).view(torch.uint8))
