"""What the author of a Python layer sees: pycaffe's `caffe.Layer`, its blobs, and the name `caffe`.

A Python layer is a class with setup, reshape, forward and backward, in a module on Python's import
path.  Such modules say `import caffe`; that name means this package while the module is loaded and
while the layer's methods run, and nowhere else in the process: a real Caffe stays what it is.

Elsewhere: the layer type that runs them (`python.py`), the exchange of the name
(`machine/caffe_name.py`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from digits.caffe.blob import Blob
from digits.caffe.machine.caffe_name import caffe_is_ours
from digits.caffe.proto import caffe_pb2


class BlobVec(list[Blob]):
    """A layer's own parameters; `add_blob` asks for one more, in `setup`."""

    def add_blob(self, *shape: int) -> None:
        """Append a blob of zeros of this shape."""
        self.append(Blob(shape))


class Layer:
    """Derive from this, as in pycaffe.  `bottom` and `top` are lists of blobs with data and diff.

    `param_str` holds python_param's text, `phase` 0 for TRAIN and 1 for TEST, `blobs` the layer's
    parameters.  `net.layers` has these objects.
    """

    type = "Python"
    param_str = ""
    phase = caffe_pb2.TRAIN
    blobs: BlobVec

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        # Methods import, too, and so may what they call.
        for name in ("__init__", "setup", "reshape", "forward", "backward"):
            method = vars(cls).get(name)
            if callable(method):
                setattr(cls, name, _where_caffe_is_ours(method))

    def __init__(self, param: caffe_pb2.LayerParameter) -> None:
        self.layer_param = param
        self.blobs = BlobVec()

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read `param_str`, check the bottoms, ask for parameters; called once."""

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Give the tops their shapes; called before every forward."""
        raise NotImplementedError(f"{type(self).__name__} has no reshape")

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Fill the data of the tops."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(
        self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]
    ) -> None:
        """Fill the diff of the bottoms that `propagate_down` asks for, and of the parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")


def load_class(module: str, name: str) -> type[Any]:
    """The class `name` of a module on the import path; raises what importing it raises."""
    with caffe_is_ours():
        found: type[Any] = getattr(importlib.import_module(module), name)
    return found


def _where_caffe_is_ours(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        with caffe_is_ours():
            return method(*arguments, **named)

    return call
