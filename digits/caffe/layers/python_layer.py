"""What the author of a Python layer sees: pycaffe's `caffe.Layer`, its blobs, and the name `caffe`.

A Python layer is a class with setup, reshape, forward and backward, in a module on Python's import
path.  Such modules say `import caffe`; `load_class` makes that name mean this package.

Elsewhere: the layer type that runs them (`python.py`).
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from digits.caffe.blob import Blob
from digits.caffe.proto import caffe_pb2

_PACKAGE = __name__.rpartition(".layers.")[0]


class BlobVec(list[Blob]):
    """A layer's own parameters; `add_blob` asks for one more, in `setup`."""

    def add_blob(self, *shape: int) -> None:
        """Append a blob of zeros of this shape."""
        self.append(Blob(shape))


class Layer:
    """Derive from this, as in pycaffe.  `bottom` and `top` are lists of blobs with data and diff.

    `param_str` holds python_param's text, `phase` 0 for TRAIN and 1 for TEST.
    """

    param_str = ""
    phase = caffe_pb2.TRAIN
    blobs: BlobVec

    def __init__(self, param: caffe_pb2.LayerParameter) -> None:
        self.layer_param = param

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
    if not any(isinstance(finder, _CaffeFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _CaffeFinder())
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


class _CaffeFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Lets `import caffe` and `import caffe.io` find this package and its modules."""

    def find_spec(
        self, fullname: str, path: Any, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "caffe" and not fullname.startswith("caffe."):
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(_PACKAGE + spec.name.removeprefix("caffe"))
        # Python is about to note this spec on the module; `exec_module` puts the real one back.
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__ = module.__spec__.loader_state
