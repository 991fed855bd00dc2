"""Which axes of a net's blobs follow the batch size.

The inputs are given twice as many items, and the axes that grow are those.  Where the net refuses
that (a Reshape to fixed sizes, a recurrent layer, whose first axis are steps), none do.
"""

from __future__ import annotations

from dataclasses import dataclass

from digits.caffe.errors import CaffeError, NetError
from digits.caffe.export.graph import Dims
from digits.caffe.net import Net

Shape = tuple[int, ...]


@dataclass(frozen=True)
class BlobShapes:
    """The shapes of all blobs by their number, and why none follows the batch size, if so."""

    dims: list[Dims]
    refusal: CaffeError | None = None


def set_batch(net: Net, size: int) -> None:
    """Give all inputs so many items; NetError when a layer does not take that."""
    if size < 1:
        raise NetError(f"A batch has 1 item or more, not {size}.")
    _reshape(net, {name: (size, *net.blobs[name].shape[1:]) for name in _with_items(net)})


def shapes_of(net: Net) -> BlobShapes:
    """The blobs' shapes, with None for what follows the batch size; the net stays as it is."""
    inputs = {name: tuple(net.blobs[name].shape) for name in _with_items(net)}
    before = _shapes(net)
    twice = {name: (2 * shape[0], *shape[1:]) for name, shape in inputs.items()}
    try:
        _reshape(net, twice)
        after = _shapes(net)
    except CaffeError as error:
        return BlobShapes(list(before), error)
    finally:
        _reshape(net, inputs)
    return BlobShapes([_common(*pair) for pair in zip(before, after, strict=True)])


def _with_items(net: Net) -> list[str]:
    return [name for name in net.inputs if net.blobs[name].shape]


def _shapes(net: Net) -> list[Shape]:
    return [tuple(blob.shape) for blob in net._blobs]


def _common(first: Shape, second: Shape) -> Dims:
    return tuple(a if a == b else None for a, b in zip(first, second, strict=True))


def _reshape(net: Net, shapes: dict[str, Shape]) -> None:
    for name, shape in shapes.items():
        net.blobs[name].reshape(*shape)
    net.reshape()
