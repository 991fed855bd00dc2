"""Fill parameters at first: constant, uniform, gaussian, positive_unitball, xavier, msra, bilinear.

In: a tensor and a FillerParameter.  Out: the tensor's values.  Random numbers are drawn on the CPU
whatever the device, so that a seed gives the same weights everywhere.  Distributions are Caffe's
(filler.hpp), single numbers are not: its generators differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from digits.caffe.errors import NetError
from digits.caffe.formats.prototxt import nearest
from digits.caffe.machine.randomness import Randomness
from digits.caffe.proto import caffe_pb2

Shape = tuple[int, ...]
_Filler = Callable[[caffe_pb2.FillerParameter, torch.Tensor, torch.Generator], None]


def fill(tensor: torch.Tensor, filler: caffe_pb2.FillerParameter, random: Randomness) -> None:
    """Fill a tensor, on any device and of any float type, as the message says.

    Raises NetError for an unknown type, and where a filler does not fit the shape.
    """
    if filler.type not in _FILLERS:
        raise NetError(f"Unknown filler name: {filler.type}.{nearest(filler.type, _FILLERS)}")
    if filler.sparse != -1 and filler.type != "gaussian":
        raise NetError(f"filler {filler.type!r}: Sparsity not supported by this Filler.")
    with torch.no_grad():
        on_host = tensor.device.type == "cpu" and tensor.dtype == torch.float32
        # A draw takes the order of memory, so that all layouts get the same values.
        in_place = on_host and tensor.is_contiguous()
        drawn = tensor if in_place else torch.empty(tensor.shape)
        _FILLERS[filler.type](filler, drawn, random.cpu)
        if not in_place:
            tensor.copy_(drawn)


def fan_in(shape: Shape) -> int:
    """Inputs of one output as Caffe counts them: all values but those of the first axis."""
    return math.prod(shape) // shape[0] if shape else 1


def fan_out(shape: Shape) -> int:
    """Outputs of one input: all values but those of the second axis; all if there is none."""
    return math.prod(shape) // shape[1] if len(shape) > 1 else math.prod(shape)


def _constant(
    filler: caffe_pb2.FillerParameter, values: torch.Tensor, generator: torch.Generator
) -> None:
    values.fill_(filler.value)


def _uniform(
    filler: caffe_pb2.FillerParameter, values: torch.Tensor, generator: torch.Generator
) -> None:
    _check_range(filler.min <= filler.max, filler, "min must not be above max")
    values.uniform_(filler.min, filler.max, generator=generator)


def _gaussian(
    filler: caffe_pb2.FillerParameter, values: torch.Tensor, generator: torch.Generator
) -> None:
    """Normal; with `sparse` S a value stays with probability S / (outputs), else it is 0."""
    _check_range(filler.std >= 0, filler, "std must not be negative")
    values.normal_(filler.mean, filler.std, generator=generator)
    if filler.sparse < 0:
        return
    if not values.dim():
        raise NetError("filler 'gaussian': sparse needs a parameter with at least one axis.")
    keep = min(1.0, filler.sparse / values.shape[0])
    values *= torch.empty_like(values).bernoulli_(keep, generator=generator)


def _positive_unitball(
    filler: caffe_pb2.FillerParameter, values: torch.Tensor, generator: torch.Generator
) -> None:
    """Uniform in (0, 1), each row along the first axis divided by its sum."""
    values.uniform_(0, 1, generator=generator)
    if values.dim() and values.numel():
        rows = values.view(values.shape[0], -1)
        rows /= rows.sum(1, keepdim=True)
    else:
        values.fill_(1)


def _xavier(
    filler: caffe_pb2.FillerParameter, values: torch.Tensor, generator: torch.Generator
) -> None:
    """Uniform in +-sqrt(3 / fan).  Source: Glorot and Bengio 2010, with Caffe's fan."""
    scale = math.sqrt(3.0 / _fan(filler, values.shape))
    values.uniform_(-scale, scale, generator=generator)


def _msra(
    filler: caffe_pb2.FillerParameter, values: torch.Tensor, generator: torch.Generator
) -> None:
    """Normal of variance 2 / fan.  Source: He et al. 2015."""
    values.normal_(0.0, math.sqrt(2.0 / _fan(filler, values.shape)), generator=generator)


def _bilinear(
    filler: caffe_pb2.FillerParameter, values: torch.Tensor, generator: torch.Generator
) -> None:
    """Weights with which a Deconvolution enlarges bilinearly; shape (a, b, k, k)."""
    shape = tuple(values.shape)
    if len(shape) != 4:
        raise NetError(f"filler 'bilinear': Blob must be 4 dim., received the shape {shape}.")
    if shape[2] != shape[3]:
        raise NetError(f"filler 'bilinear': Filter must be square, received the shape {shape}.")
    size = shape[3]
    factor = math.ceil(size / 2.0)
    centre = (size - 1) / (2.0 * factor)
    line = 1 - (torch.arange(size, dtype=torch.float32) / factor - centre).abs()
    values.copy_(line[:, None] * line[None, :])


def _fan(filler: caffe_pb2.FillerParameter, shape: Shape) -> float:
    if filler.variance_norm == caffe_pb2.FillerParameter.AVERAGE:
        fan = (fan_in(shape) + fan_out(shape)) / 2.0
    elif filler.variance_norm == caffe_pb2.FillerParameter.FAN_OUT:
        fan = float(fan_out(shape))
    else:
        fan = float(fan_in(shape))
    if fan <= 0:
        raise NetError(f"filler {filler.type!r} cannot fill the empty shape {shape}.")
    return fan


def _check_range(holds: bool, filler: caffe_pb2.FillerParameter, problem: str) -> None:
    if not holds:
        raise NetError(f"filler {filler.type!r}: {problem}.")


_FILLERS: dict[str, _Filler] = {
    "constant": _constant,
    "uniform": _uniform,
    "gaussian": _gaussian,
    "positive_unitball": _positive_unitball,
    "xavier": _xavier,
    "msra": _msra,
    "bilinear": _bilinear,
}
