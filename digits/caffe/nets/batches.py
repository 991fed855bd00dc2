"""Run a net over more samples than one batch: pycaffe's `forward_all`, `forward_backward_all`.

The last batch is filled up with zeros, whose results are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from digits.caffe.device_array import Array
from digits.caffe.errors import NetError

if TYPE_CHECKING:
    from digits.caffe.net import Net

Arrays = Mapping[str, Array]


def forward_all(net: Net, blobs: Sequence[str] | None, inputs: Arrays) -> dict[str, Array]:
    """The outputs, and `blobs`, for all samples of `inputs`: arrays with the samples first."""
    results: dict[str, list[Array]] = {name: [] for name in [*net.outputs, *(blobs or ())]}
    for batch in cut(net, inputs):
        for name, values in net.forward(blobs, None, None, **batch).items():
            results[name].extend(np.atleast_1d(values.copy()))
    return _joined(results, _samples(inputs))


def forward_backward_all(
    net: Net, blobs: Sequence[str] | None, diffs: Sequence[str] | None, arrays: Arrays
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Outputs and `blobs`, and gradients of inputs and `diffs`, for all samples.

    `arrays` has values for inputs and gradients for outputs, of equally many samples.
    """
    outs: dict[str, list[Array]] = {name: [] for name in [*net.outputs, *(blobs or ())]}
    grads: dict[str, list[Array]] = {name: [] for name in [*net.inputs, *(diffs or ())]}
    known = {*net.inputs, *net.outputs}
    if set(arrays) - known:
        raise NetError(f"the net has no input or output {sorted(set(arrays) - known)}.")
    forward = cut(net, {name: arrays[name] for name in net.inputs if name in arrays})
    backward = cut(net, {name: arrays[name] for name in net.outputs if name in arrays})
    nothing: dict[str, Array] = {}
    for inputs, outputs in zip_longest(forward, backward, fillvalue=nothing):
        for name, values in net.forward(blobs, None, None, **inputs).items():
            outs[name].extend(np.atleast_1d(values.copy()))
        for name, values in net.backward(diffs, None, None, **outputs).items():
            grads[name].extend(np.atleast_1d(values.copy()))
    samples = _samples(arrays)
    return _joined(outs, samples), _joined(grads, samples)


def _samples(arrays: Arrays) -> int:
    if not arrays:
        raise NetError("arrays are needed to run over: give them by the names of inputs.")
    counts = {len(values) for values in arrays.values()}
    if len(counts) > 1:
        raise NetError(f"all arrays must have equally many samples, received {sorted(counts)}.")
    return counts.pop()


def cut(net: Net, arrays: Arrays) -> Iterator[dict[str, Array]]:
    """Batches of the net's size, the last one filled up with zeros."""
    if not arrays:
        return
    samples = _samples(arrays)
    size = next(iter(net.blobs.values())).shape[0]
    for start in range(0, samples, size):
        batch = {name: np.asarray(values)[start : start + size] for name, values in arrays.items()}
        missing = start + size - samples
        if missing > 0:
            batch = {
                name: np.concatenate([values, np.zeros((missing, *values.shape[1:]), values.dtype)])
                for name, values in batch.items()
            }
        yield batch


def _joined(results: dict[str, list[Array]], samples: int) -> dict[str, Array]:
    """Arrays without what belongs to the filling; a scalar a batch (a loss) stays as it is."""
    return {name: np.asarray(values)[:samples] for name, values in results.items()}
