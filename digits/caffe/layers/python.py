"""The Python layer: a layer whose code is a class of the network's author.

It runs only where the net was built with `allow_python`, as it can do anything that the process
may.  Its blobs are NumPy arrays, so it works on the host's memory.  As in Caffe, `reshape` is
called before every forward.  Source: python_layer.hpp.

Elsewhere: what such a class looks like (`digits/caffe/layers/python_layer.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from digits.caffe.blob import Blob
from digits.caffe.errors import CaffeError
from digits.caffe.layers.autograd import apply_function
from digits.caffe.layers.base import Layer, ParamSlot, Shape, register
from digits.caffe.layers.python_layer import BlobVec, load_class
from digits.caffe.proto import caffe_pb2


@register("Python")
class Python(Layer):
    """Runs the class `layer` of the module `module`; any number of bottoms and tops."""

    def setup(self, bottoms: Sequence[Shape]) -> None:
        if not self.context.allow_python:
            raise self.error(
                "Python layers run code that comes with the network, which is not allowed here. "
                "If you trust its author, allow them (allow_python)"
            )
        self.bottoms = [self._blob(shape) for shape in bottoms]
        self.tops = [self._blob(()) for _ in self.param.top]
        field = self.param.python_param
        with self._naming("loading"):
            self.code = load_class(field.module, field.layer)(self.param)
            self.code.param_str = field.param_str
            self.code.phase = int(self.context.phase)
            self.code.blobs = BlobVec()
        self._call("setup", self.bottoms, self.tops)
        self.first_values = [torch.from_numpy(blob.data.copy()) for blob in self.code.blobs]

    def param_slots(self, bottoms: Sequence[Shape]) -> list[ParamSlot]:
        zero = caffe_pb2.FillerParameter()
        return [ParamSlot(tuple(values.shape), zero) for values in self.first_values]

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if self.first_values:
            # What setup wrote into the parameters; the net has just made their tensors.
            with torch.no_grad():
                for param, values in zip(self.params, self.first_values, strict=True):
                    param.copy_(values)
            self.first_values = []
        for blob, shape in zip(self.bottoms, bottoms, strict=True):
            blob.reshape(*shape)
        self._call("reshape", self.bottoms, self.tops)
        return [blob.shape for blob in self.tops]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        return list(apply_function(_Call, self, len(bottoms), *bottoms, *self.params))

    def run_forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor]) -> list[Tensor]:
        """The tops; the blobs keep what backward will look at."""
        for blob, bottom in zip(self.bottoms, bottoms, strict=True):
            blob.assign(bottom.detach())
        self.code.blobs[:] = [self._blob(tuple(param.shape)) for param in params]
        for blob, param in zip(self.code.blobs, params, strict=True):
            blob.assign(param.detach())
        self._call("reshape", self.bottoms, self.tops)
        self._call("forward", self.bottoms, self.tops)
        # Copies, because the next pass writes into the same arrays.
        return [blob.tensor().clone() for blob in self.tops]

    def run_backward(self, grads: Sequence[Tensor], needs: Sequence[bool]) -> list[Tensor]:
        """The gradients of the bottoms, then of the parameters."""
        for blob, grad in zip(self.tops, grads, strict=True):
            blob.assign_diff(grad.contiguous())
        for blob in [*self.bottoms, *self.code.blobs]:
            blob.assign_diff(torch.zeros_like(blob.tensor()))
        self._call("backward", self.tops, list(needs), self.bottoms)
        return [blob.diff_tensor() for blob in [*self.bottoms, *self.code.blobs]]

    def _call(self, method: str, *arguments: Any) -> None:
        with self._naming(method):
            function: Callable[..., None] = getattr(self.code, method)
            function(*arguments)

    @contextmanager
    def _naming(self, step: str) -> Iterator[None]:
        """Turn whatever the author's code raises into an error that names the layer."""
        try:
            yield
        except CaffeError:
            raise
        except Exception as error:  # foreign code may raise anything
            field = self.param.python_param
            what = f"{type(error).__name__}: {error}"
            raise self.error(f"{step} {field.module}.{field.layer} failed: {what}") from error

    def _blob(self, shape: Shape) -> Blob:
        return Blob(shape, self.context.device, self.context.dtype)


class _Call(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, layer: Python, bottoms: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.layer, ctx.bottoms = layer, bottoms
        return tuple(layer.run_forward(tensors[:bottoms], tensors[bottoms:]))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        needs = ctx.needs_input_grad[2:]
        results = ctx.layer.run_backward(grads, needs[: ctx.bottoms])
        wanted = (r if need else None for r, need in zip(results, needs, strict=True))
        return (None, None, *wanted)
