"""Numbers that describe an array: mean, deviation, histogram."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from digits.inference.operations import Statistics

BINS = 20
_LARGEST_FLOAT32_RANGE = 1e38


def describe(values: npt.NDArray[np.floating]) -> Statistics:
    """The statistics of an array of any shape, in one pass over float32 values."""
    flat = np.asarray(values).reshape(-1)
    finite = flat[np.isfinite(flat)]
    missing = flat.size - finite.size
    if finite.size == 0:
        return Statistics(0.0, 0.0, 0.0, 0.0, (), (), missing)
    low, high = float(finite.min()), float(finite.max())
    histogram, edges = _histogram(finite, low, high)
    return Statistics(
        mean=float(finite.mean(dtype=np.float64)),
        std=float(finite.std(dtype=np.float64)),
        minimum=low,
        maximum=high,
        histogram=histogram,
        edges=edges,
        not_finite=missing,
    )


def _histogram(
    values: npt.NDArray[np.floating], low: float, high: float
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Counts in BINS equal steps from `low` to `high`, the last one closed."""
    if high - low > _LARGEST_FLOAT32_RANGE:
        values = values.astype(np.float64)
    try:
        counts, edges = np.histogram(values, bins=BINS, range=(low, high))
    except ValueError:  # the values differ by too little to be told apart
        return (int(values.size),), (low, high)
    return tuple(int(count) for count in counts), tuple(float(edge) for edge in edges)
