"""From a picture of any size to a net's input, written into a graph: resized, in order, less mean.

In: `image`, uint8 (height, width, 3) in R,G,B.  Out: float32 (1, channels, height, width), what the
pages of DIGITS make of the same pixels.  Modes `squash` and `crop` are theirs, but for a level
where a value lies just between two: each pass of the filter is an operator of its own, in the order
that Pillow 13 chooses, since the rounding between them shows.  `fill` and `half_crop` put noise
beside a picture on the pages; here it is the mean, which the net sees as 0 (127.5 where no mean is
subtracted).

Elsewhere: the pages' own way (`digits/images/resize.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from digits.caffe.errors import DataError
from digits.caffe.export.graph import Graph
from digits.caffe.export.neuron import times

MODES = ("squash", "crop", "fill", "half_crop")
ORDERS = ("bgr", "rgb")
PADS_WITH_MEAN = ("fill", "half_crop")
# Pillow's weights of R, G and B for grey, in shares of 65536.
_GREY = (19595, 38470, 7471)
_GREY_SHARES = 1 << 16
_MIDDLE = 127.5  # the mean of the pages' noise
_RATIO = {"crop": "ReduceMin", "fill": "ReduceMax", "half_crop": "ReduceMean"}
_ROWS_AND_COLUMNS = (2, 3)


@dataclass(frozen=True)
class Preparation:
    """How pictures are prepared: brought to height x width, then cut to the net's input.

    `mean`: (channels, height, width), or (channels, 1, 1) for a value a channel, in `order`.
    """

    height: int
    width: int
    channels: int
    mode: str = "squash"
    mean: npt.NDArray[np.float32] | None = None
    scale: float = 1.0
    order: str = "bgr"

    def check(self, input_shape: Sequence[int]) -> None:
        """DataError unless it fits a net's input (channels, height, width)."""
        channels, height, width = input_shape
        if self.mode not in MODES:
            raise DataError(f"there is no resize mode {self.mode!r}; use {', '.join(MODES)}")
        if self.order not in ORDERS:
            raise DataError(f"there is no channel order {self.order!r}; use {' or '.join(ORDERS)}")
        if channels not in (1, 3) or channels != self.channels:
            raise DataError(
                f"the net takes {channels} channels and the pictures have {self.channels}; "
                "both must have 3 (color) or 1 (grey)"
            )
        if self.height < height or self.width < width:
            raise DataError(
                f"pictures of {self.width}x{self.height} are smaller than the net's input, "
                f"{width}x{height}; give a larger size"
            )
        if self.mean is not None:
            self._check_mean(self.mean.shape)

    def _check_mean(self, shape: tuple[int, ...]) -> None:
        whole, each = (self.channels, self.height, self.width), (self.channels, 1, 1)
        if shape not in (whole, each):
            raise DataError(
                f"the mean has the shape {shape} (channels, height, width); expected {whole}, or "
                f"{self.channels} values"
            )


def write_preparation(
    graph: Graph, image: str, how: Preparation, input_shape: Sequence[int]
) -> str:
    """The value that a net of this input shape (channels, height, width) takes."""
    graph.scope = "prepare"
    channels, height, width = input_shape
    size = graph.op("Slice", graph.op("Shape", image), *_numbers(graph, [0], [2]))
    plane = graph.op("Transpose", _grey(graph, image) if channels == 1 else image, perm=[2, 0, 1])
    plane = graph.op("Unsqueeze", plane, graph.constant([0]))
    target = graph.constant([how.height, how.width])
    scaled = target if how.mode == "squash" else _scaled_size(graph, size, target, how)
    plane = _resized(graph, plane, size, scaled, channels)
    if how.mode != "squash":
        plane = _cropped(graph, plane, scaled, target)
    if channels == 3 and how.order == "bgr":
        plane = graph.op("Gather", plane, graph.constant([2, 1, 0]), axis=1)
    plane = graph.cast(plane, TensorProto.FLOAT)
    mean = None if how.mean is None else graph.constant(how.mean[None], "mean")
    if how.mode in PADS_WITH_MEAN:
        plane = _padded(graph, plane, scaled, target, mean or graph.number(_MIDDLE))
    if mean is not None:
        plane = graph.op("Sub", plane, mean)
    top, left = (how.height - height) // 2, (how.width - width) // 2
    if (height, width) != (how.height, how.width):
        ends = [top + height, left + width]
        plane = graph.op("Slice", plane, *_numbers(graph, [top, left], ends, _ROWS_AND_COLUMNS))
    return times(graph, plane, how.scale)


def _grey(graph: Graph, image: str) -> str:
    """(h, w, 3) as (h, w, 1), as Pillow's `L`."""
    wide = graph.cast(image, TensorProto.INT32)
    shares = graph.op("Mul", wide, graph.constant(np.array(_GREY, np.int32)))
    total = graph.op("ReduceSum", shares, graph.constant([2]), keepdims=1)
    half = graph.constant(np.array(_GREY_SHARES // 2, np.int32))
    whole = graph.constant(np.array(_GREY_SHARES, np.int32))
    return graph.cast(graph.op("Div", graph.op("Add", total, half), whole), TensorProto.UINT8)


def _scaled_size(graph: Graph, size: str, target: str, how: Preparation) -> str:
    """Rows and columns of the whole picture after scaling: `scaled_size` of the pages.

    In double precision, so that no side is a pixel off.
    """
    source = graph.cast(size, TensorProto.DOUBLE)
    ratios = graph.op("Div", source, graph.constant(np.array([how.height, how.width], np.float64)))
    ratio = graph.op(_RATIO[how.mode], ratios, graph.constant([0]), keepdims=1)
    half = graph.constant(np.array(0.5, np.float64))
    rounded = graph.cast(graph.op("Add", graph.op("Div", source, ratio), half), TensorProto.INT64)
    # The side that sets the ratio comes out exact.
    scaled = graph.op(
        "Where", graph.op("Equal", ratios, ratio), target, graph.op("Max", rounded, graph.whole(1))
    )
    missing = graph.op("Sub", target, scaled)
    is_odd = graph.op("Equal", graph.op("Mod", missing, graph.whole(2)), graph.whole(1))
    is_short = graph.op("Greater", missing, graph.whole(0))
    more = graph.cast(graph.op("And", is_odd, is_short), TensorProto.INT64)
    return graph.op("Add", scaled, more)


def _resized(graph: Graph, plane: str, size: str, scaled: str, channels: int) -> str:
    """Two passes, along the rows and along the columns; down first where that leaves less to do."""
    gone = graph.op("Sub", size, scaled)
    rows = graph.op("Gather", gone, graph.constant([0]))
    columns = graph.op("Gather", gone, graph.constant([1]))
    doubled = graph.op("Mul", columns, graph.whole(2))
    down_first = graph.op(
        "And",
        graph.op("Greater", rows, graph.whole(0)),
        graph.op("Greater", rows, doubled),
    )
    is_rows = graph.constant(np.array([True, False]))
    takes_scaled = graph.op("Equal", is_rows, down_first)
    first = graph.op("Where", takes_scaled, scaled, size)
    return _pass(graph, _pass(graph, plane, first, channels), scaled, channels)


def _pass(graph: Graph, plane: str, size: str, channels: int) -> str:
    sizes = graph.op("Concat", graph.constant([1, channels]), size, axis=0)
    return graph.op(
        "Resize", plane, "", "", sizes,
        mode="linear", antialias=1, exclude_outside=1,
        coordinate_transformation_mode="half_pixel",
    )  # fmt: skip


def _cropped(graph: Graph, plane: str, scaled: str, target: str) -> str:
    """Without what lies beyond the target, taken from both ends; an odd pixel from the first."""
    beyond = graph.op("Max", graph.op("Sub", scaled, target), graph.whole(0))
    start = graph.op("Div", graph.op("Add", beyond, graph.whole(1)), graph.whole(2))
    end = graph.op("Add", start, target)
    return graph.op("Slice", plane, start, end, graph.constant(_ROWS_AND_COLUMNS))


def _padded(graph: Graph, plane: str, scaled: str, target: str, fill: str) -> str:
    """In the middle of `fill`: where there is nothing, nan marks it."""
    missing = graph.op("Max", graph.op("Sub", target, scaled), graph.whole(0))
    before = graph.op("Div", missing, graph.whole(2))
    after = graph.op("Sub", missing, before)
    none = graph.constant([0, 0])
    pads = graph.op("Concat", none, before, none, after, axis=0)
    whole = graph.op("Pad", plane, pads, graph.number(float("nan")))
    return graph.op("Where", graph.op("IsNaN", whole), fill, whole)


def _numbers(graph: Graph, *lists: Sequence[int]) -> list[str]:
    return [graph.constant([*each]) for each in lists]
