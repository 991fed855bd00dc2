"""Compare the engine's arrays with those recorded from BVLC Caffe 1.0.

The rule is the recordings' own: max|a-b| <= rel * max|b| + abs over a whole array, b the recorded
one; NaN must meet NaN, infinities the same infinity.  The tolerances are those that stand beside
the recordings, a few times what two BLAS kernel sets differ by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Tolerance:
    """How far off an array may be: relative to its largest value, plus an absolute part."""

    rel: float
    abs: float


LAYERS = Tolerance(1e-5, 1e-6)
NETS = Tolerance(1e-4, 1e-6)
LOSS = Tolerance(1e-4, 1e-5)
FIRST_UPDATE = Tolerance(1e-5, 1e-7)
FINAL_PARAMS = Tolerance(1e-3, 1e-5)
FINAL_PARAMS_RMSPROP = Tolerance(5e-3, 1e-4)
TRANSFORMS = Tolerance(1e-6, 1e-5)


def difference(actual: ArrayLike, recorded: ArrayLike, tolerance: Tolerance) -> str | None:
    """What is wrong with `actual` in a few words, or None if it equals `recorded`."""
    a = np.asarray(actual, dtype=np.float64)
    b = np.asarray(recorded, dtype=np.float64)
    if a.shape != b.shape:
        return f"has the shape {a.shape}, recorded is {b.shape}"
    finite = np.isfinite(b)
    if (
        not np.array_equal(a[~finite], b[~finite], equal_nan=True)
        or not np.isfinite(a[finite]).all()
    ):
        return "has NaN or infinity elsewhere than recorded"
    if not finite.any():
        return None
    gap = float(np.abs(a[finite] - b[finite]).max())
    allowed = tolerance.rel * float(np.abs(b[finite]).max()) + tolerance.abs
    if gap <= allowed:
        return None
    return f"differs by {gap:.3g}, allowed is {allowed:.3g}"


def assert_close(actual: ArrayLike, recorded: ArrayLike, tolerance: Tolerance, what: str) -> None:
    """Fail, naming `what`, unless the two arrays are equal within the tolerance."""
    problem = difference(actual, recorded, tolerance)
    assert problem is None, f"{what} {problem}"


def assert_all_close(pairs: dict[str, tuple[ArrayLike, ArrayLike]], tolerance: Tolerance) -> None:
    """Fail with a line for each pair (actual, recorded) that differs."""
    problems = {what: difference(a, b, tolerance) for what, (a, b) in pairs.items()}
    wrong = [f"{what} {problem}" for what, problem in problems.items() if problem]
    assert not wrong, "\n".join(wrong)
