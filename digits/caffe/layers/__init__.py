"""Caffe's layer types, one module a family; and pycaffe's `layers as L` for building net prototxts.

`base.py` says what a layer is, `registry.py` finds one by its type name: any module of this package
may `register` types.  In pycaffe `caffe.layers` is the object that makes layers of a NetSpec
(`L.Convolution(bottom, num_output=20)`); capitalized attributes of this package are just that.
Importing the package alone does not import PyTorch.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if not name[:1].isupper():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Here and not above: whoever only wants the engine's layers need not load NetSpec.
    from digits.caffe import net_spec  # noqa: PLC0415

    return getattr(net_spec.layers, name)
