"""Find a layer type by its name; the modules of this package are loaded when first asked."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache

from digits.caffe import layers
from digits.caffe.errors import NetError
from digits.caffe.layers.base import Layer, LayerContext, registry
from digits.caffe.proto import caffe_pb2


@cache
def _load_families() -> None:
    for module in pkgutil.iter_modules(layers.__path__):
        importlib.import_module(f"{layers.__name__}.{module.name}")


def layer_types() -> list[str]:
    """The names of all known layer types, sorted."""
    _load_families()
    return sorted(registry)


def layer_class(param: caffe_pb2.LayerParameter) -> type[Layer]:
    """The class for this message's type; NetError with the nearest names when it is unknown."""
    _load_families()
    found = registry.get(param.type)
    if found is None:
        raise NetError(f"layer {param.name!r} has the unknown type {param.type!r}.{_near(param)}")
    return found


def create_layer(param: caffe_pb2.LayerParameter, context: LayerContext) -> Layer:
    """A layer for this message; NetError with the nearest names when its type is unknown."""
    return layer_class(param)(param, context)


def _near(param: caffe_pb2.LayerParameter) -> str:
    folded = {name.lower(): name for name in registry}
    near = difflib.get_close_matches(param.type.lower(), folded, n=2, cutoff=0.5)
    return " Did you mean " + " or ".join(repr(folded[n]) for n in near) + "?" if near else ""
