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
from digits.caffe.layers.autograd import apply_function
from digits.caffe.layers.base import Layer, ParamSlot, Shape, register
from digits.caffe.layers.python_layer import BlobVec, load_class
from digits.caffe.proto import caffe_pb2


@register("Python")
class Python(Layer):
    """Runs the class `layer` of the module `module`; any number of bottoms and tops.

    What that code raises reaches the caller as it is, as in pycaffe.
    """

    runs_foreign_code = True

    def setup(self, bottoms: Sequence[Shape]) -> None:
        if not self.context.allow_python:
            raise self.error(
                "Python layers run code that comes with the network, which is not allowed here. "
                "If you trust its author, allow them (allow_python)"
            )
        self.has_net_blobs = False
        self.bottoms = [self._blob(shape) for shape in bottoms]
        self.tops = [self._blob(()) for _ in self.param.top]
        field = self.param.python_param
        with self._naming("loading"):
            self.code = load_class(field.module, field.layer)(self.param)
            self.code.blobs = BlobVec()  # also where the author's __init__ calls no other
            self.code.param_str = field.param_str
            self.code.phase = int(self.context.phase)
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
        return list(apply_function(_Call, self, len(bottoms), None, *bottoms, *self.params))

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        return list(apply_function(_Call, self, len(bottoms), tops, *bottoms, *self.params))

    def show(
        self, bottoms: Sequence[Tensor], tops: Sequence[Tensor], params: Sequence[Tensor]
    ) -> list[Tensor]:
        """Let backward look at these blobs; answers the tops."""
        self._take(bottoms, params)
        for blob, top in zip(self.tops, tops, strict=True):
            blob.assign(top)
        return [top.clone() for top in tops]

    def run_forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor]) -> list[Tensor]:
        """The tops; the blobs keep what backward will look at."""
        self._take(bottoms, params)
        self._call("reshape", self.bottoms, self.tops)
        self._call("forward", self.bottoms, self.tops)
        # Copies, because the next pass writes into the same arrays.
        return [blob.tensor().clone() for blob in self.tops]

    def show_params(self, blobs: Sequence[Blob]) -> None:
        """Let the author's code have the net's own blobs of its parameters."""
        self.code.blobs[:] = blobs
        self.has_net_blobs = True

    def _take(self, bottoms: Sequence[Tensor], params: Sequence[Tensor]) -> None:
        for blob, bottom in zip(self.bottoms, bottoms, strict=True):
            blob.assign(bottom.detach())
        if not self.has_net_blobs:
            self.code.blobs[:] = self._blobs_of(params)

    def _blobs_of(self, params: Sequence[Tensor]) -> list[Blob]:
        """Blobs in the parameters' memory, with gradients of their own."""
        blobs = [self._blob(tuple(param.shape)) for param in params]
        for blob, param in zip(blobs, params, strict=True):
            blob.assign(param.detach())
        return blobs

    def run_backward(self, grads: Sequence[Tensor], needs: Sequence[bool]) -> list[Tensor]:
        """The gradients of the bottoms, then of the parameters."""
        for blob, grad in zip(self.tops, grads, strict=True):
            blob.assign_diff(grad.contiguous())
        # The net adds up the gradients of parameters, so the author's code starts from zeros.
        kept = list(self.code.blobs)
        alone = self._blobs_of([param.detach() for param in self.params])
        for blob in [*self.bottoms, *alone]:
            blob.assign_diff(torch.zeros_like(blob.tensor()))
        self.code.blobs[:] = alone
        try:
            self._call("backward", self.tops, list(needs[: len(self.bottoms)]), self.bottoms)
        finally:
            self.code.blobs[:] = kept
        return [blob.diff_tensor() for blob in [*self.bottoms, *alone]]

    def _call(self, method: str, *arguments: Any) -> None:
        with self._naming(method):
            function: Callable[..., None] = getattr(self.code, method)
            function(*arguments)

    @contextmanager
    def _naming(self, step: str) -> Iterator[None]:
        """Whatever the author's code raises comes through, with a note on the layer."""
        try:
            yield
        except Exception as error:  # foreign code may raise anything
            field = self.param.python_param
            where = f"{step} of {field.module}.{field.layer}"
            if self.context.wrap_python_errors:
                raise self.error(f"{where}: {type(error).__name__}: {error}") from error
            error.add_note(f"in {where}, the code of layer {self.name!r} (Python)")
            raise

    def _blob(self, shape: Shape) -> Blob:
        return Blob(shape, self.context.device, self.context.dtype)


class _Call(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, layer: Python, bottoms: int, tops: Sequence[Tensor] | None, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.layer, ctx.bottoms = layer, bottoms
        if tops is not None:
            return tuple(layer.show(tensors[:bottoms], tops, tensors[bottoms:]))
        return tuple(layer.run_forward(tensors[:bottoms], tensors[bottoms:]))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        needs = ctx.needs_input_grad[3:]
        results = ctx.layer.run_backward(grads, needs[: ctx.bottoms])
        wanted = (r if need else None for r, need in zip(results, needs, strict=True))
        return (None, None, None, *wanted)
