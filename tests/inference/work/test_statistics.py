"""Arrays as numbers."""

from __future__ import annotations

import numpy as np
import pytest

from digits.inference.work.statistics import BINS, describe


def test_statistics_equal_numpys() -> None:
    values = np.random.default_rng(1).normal(3, 2, (7, 11, 5)).astype(np.float32)
    found = describe(values)
    counts, edges = np.histogram(values, BINS)
    assert found.histogram == tuple(counts)
    assert found.edges == pytest.approx(tuple(edges))
    assert found.mean == pytest.approx(values.mean(), rel=1e-5)
    assert found.std == pytest.approx(values.std(), rel=1e-5)
    assert (found.minimum, found.maximum) == (values.min(), values.max())


@pytest.mark.parametrize(
    ("values", "not_finite"),
    [
        ([1, 1, 1], 0),
        ([0, 1e-45], 0),
        ([3e38, -3e38, np.nan], 1),
        ([np.inf, -np.inf, np.nan], 3),
        ([], 0),
    ],
)
def test_odd_values_are_described_too(values: list[float], not_finite: int) -> None:
    found = describe(np.array(values, np.float32))
    assert found.not_finite == not_finite
    assert sum(found.histogram) == len(values) - not_finite
    assert all(np.isfinite([found.mean, found.std, *found.edges]))
