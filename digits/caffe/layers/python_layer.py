"""What the author of a Python layer sees: pycaffe's `caffe.Layer`, its blobs, and the name `caffe`.

A Python layer is a class with setup, reshape, forward and backward, in a module on Python's import
path.  Such modules say `import caffe`; that name means this package while the module is loaded and
while the layer's methods run, and nowhere else in the process: a real Caffe stays what it is.

Elsewhere: the layer type that runs them (`python.py`).
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
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


@contextmanager
def caffe_is_ours() -> Iterator[None]:
    """Within, `import caffe` and `import caffe.io` give this package and its modules.

    Afterwards they give what they gave before: another Caffe, or none.  It may be entered again
    while it is entered, by any thread.
    """
    _names.enter()
    try:
        yield
    finally:
        _names.leave()


def _where_caffe_is_ours(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        with caffe_is_ours():
            return method(*arguments, **named)

    return call


def _is_caffes(name: str) -> bool:
    return name == "caffe" or name.startswith("caffe.")


class _CaffeFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Lets `import caffe` and `import caffe.io` find this package and its modules."""

    def __init__(self) -> None:
        self.found: dict[str, ModuleType] = {}  # by the names that they were imported by

    def find_spec(
        self, fullname: str, path: Any, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not _is_caffes(fullname):
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(_PACKAGE + spec.name.removeprefix("caffe"))
        # Python is about to note this spec on the module; `exec_module` puts the real one back.
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            self.found[module.__spec__.name] = module
            module.__spec__ = module.__spec__.loader_state


class _Names:
    """Who is behind the names `caffe` and `caffe.*` in `sys.modules`, and who has to wait."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # guards all below
        self._entered = 0
        self._finder = _CaffeFinder()
        self._theirs: dict[str, ModuleType] = {}

    def enter(self) -> None:
        with self._lock:
            self._entered += 1
            if self._entered > 1 or self._are_ours_already():
                return
            if "caffe" in sys.modules:
                names = [name for name in sys.modules if _is_caffes(name)]
                self._theirs = {name: sys.modules.pop(name) for name in names}
            sys.modules.update(self._finder.found)
            sys.meta_path.insert(0, self._finder)

    def leave(self) -> None:
        with self._lock:
            self._entered -= 1
            if self._entered or self._finder not in sys.meta_path:
                return
            sys.meta_path.remove(self._finder)
            for name in self._finder.found:
                sys.modules.pop(name, None)
            sys.modules.update(self._theirs)
            self._theirs = {}

    def _are_ours_already(self) -> bool:
        """Whether the whole process has chosen this package, so there is nothing to exchange."""
        return sys.modules.get("caffe") is sys.modules[_PACKAGE]


_names = _Names()
