"""Interpolation of pictures as pycaffe's `io.resize_image` does it, in NumPy alone.

pycaffe hands pictures of one or three channels to scikit-image's `resize` (half-pixel centres, a
Gaussian before shrinking, black beyond the border) and everything else to SciPy's `zoom` (corners
on corners).  Both are separable: each axis is one small matrix, and an image becomes
`rows @ image @ columns.T`.

In: float arrays (H, W, C).  Out: float64 arrays (H', W', C).
Elsewhere: value ranges and the choice between the two (`io.py`); the resize modes of datasets,
which follow Pillow (`digits.images`).
Sources: scikit-image 0.18 `transform.resize`, SciPy 1.6 `ndimage.zoom`; B-splines after Unser,
"Splines: a perfect fit for signal and image processing", 1999.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Kernel = Callable[[Array], Array]

# SciPy cuts its Gaussian at four standard deviations.
_GAUSSIAN_TRUNCATE = 4.0


def resize_smoothly(image: Array, dims: tuple[int, int], order: int) -> Array:
    """`image` (H, W, C) as scikit-image resizes it to `dims` (H', W'), black beyond the border.

    `order` is 0 (nearest), 1 (bilinear), 3 (bicubic) or 2, 4, 5 (B-splines); before
    shrinking, the image is blurred with a Gaussian of (scale - 1) / 2 pixels.  The result stays
    within the range of the (blurred) image.
    """
    factors = [image.shape[axis] / dims[axis] for axis in (0, 1)]
    blurs = [_gaussian(image.shape[axis], (factors[axis] - 1) / 2) for axis in (0, 1)]
    image = _apply(image, *blurs)
    positions = [(np.arange(dims[axis]) + 0.5) * factors[axis] - 0.5 for axis in (0, 1)]
    resized = _apply(
        image,
        _half_pixel_matrix(positions[0], image.shape[0], order),
        _half_pixel_matrix(positions[1], image.shape[1], order),
    )
    return np.clip(resized, image.min(), image.max())


def zoom_corners(image: Array, dims: tuple[int, int], order: int) -> Array:
    """`image` (H, W, C) as SciPy's spline `zoom` brings it to `dims`: corners stay corners."""
    matrices = []
    for axis in (0, 1):
        size = image.shape[axis]
        step = (size - 1) / (dims[axis] - 1) if dims[axis] > 1 else 0.0
        matrices.append(_spline_matrix(np.arange(dims[axis]) * step, size, order))
    return _apply(image, *matrices)


def _apply(image: Array, rows: Array, columns: Array) -> Array:
    """One matrix over the rows (H', H), one over the columns (W', W) of an (H, W, C) image."""
    height, width, channels = image.shape
    down = (rows @ image.reshape(height, width * channels)).reshape(-1, width, channels)
    return np.ascontiguousarray(np.matmul(columns, down))


def _half_pixel_matrix(positions: Array, size: int, order: int) -> Array:
    """Weights (out, size) that read a line of `size` pixels at `positions`; outside it is black."""
    if order == 0:
        nearest = np.sign(positions) * np.floor(np.abs(positions) + 0.5)
        return _matrix(nearest, size, [0], lambda distance: np.ones_like(distance))
    if order == 1:
        return _matrix(positions, size, [0, 1], lambda distance: 1 - np.abs(distance))
    if order == 3:
        return _matrix(positions, size, [-1, 0, 1, 2], _catmull_rom)
    inside = (positions >= 0) & (positions <= size - 1)
    clipped = np.clip(positions, 0, size - 1)
    return _spline_matrix(clipped, size, order) * inside[:, np.newaxis]


def _matrix(positions: Array, size: int, taps: list[int], kernel: Kernel) -> Array:
    matrix = np.zeros((len(positions), size))
    base = np.floor(positions).astype(np.int64)
    for tap in taps:
        column = base + tap
        valid = np.flatnonzero((column >= 0) & (column < size))
        weights = kernel(positions[valid] - column[valid])
        matrix[valid, column[valid]] += weights
    return matrix


def _catmull_rom(distance: Array) -> Array:
    """Keys' cubic convolution with a = -1/2."""
    x = np.abs(distance)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _gaussian(size: int, sigma: float) -> Array:
    """The blur (size, size) of standard deviation `sigma` pixels; beyond the border is black."""
    if sigma <= 0:
        return np.eye(size)
    distance = np.subtract.outer(np.arange(size), np.arange(size))
    radius = int(_GAUSSIAN_TRUNCATE * sigma + 0.5)
    taps = np.arange(-radius, radius + 1)
    total = np.exp(-0.5 * (taps / sigma) ** 2).sum()
    weights = np.exp(-0.5 * (distance / sigma) ** 2) / total
    return np.where(np.abs(distance) <= radius, weights, 0.0)


def _spline_matrix(positions: Array, size: int, order: int) -> Array:
    """Weights (out, size) of B-spline interpolation of degree `order`, mirrored at the borders.

    The spline through the samples has coefficients c with `basis_at_samples @ c = samples`; read at
    `positions` it is `basis_at_positions @ inverse(basis_at_samples)`.
    """
    at_positions = _spline_basis(positions, size, order)
    if order <= 1:
        return at_positions
    at_samples = _spline_basis(np.arange(size, dtype=np.float64), size, order)
    return np.asarray(np.linalg.solve(at_samples.T, at_positions.T).T, dtype=np.float64)


def _spline_basis(positions: Array, size: int, order: int) -> Array:
    matrix = np.zeros((len(positions), size))
    first = np.floor(positions + (0.5 if order % 2 == 0 else 0.0)).astype(np.int64) - order // 2
    rows = np.arange(len(positions))
    for tap in range(order + 1):
        knot = first + tap
        weights = _b_spline(positions - knot, order)
        np.add.at(matrix, (rows, _mirror(knot, size)), weights)
    return matrix


def _mirror(index: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Indices folded back at the first and the last sample, which are not repeated."""
    if size == 1:
        return np.zeros_like(index)
    folded = np.abs(index) % (2 * size - 2)
    return np.where(folded >= size, 2 * size - 2 - folded, folded)


def _b_spline(x: Array, order: int) -> Array:
    """The centred B-spline of degree `order`, by its sum of truncated powers."""
    if order == 0:
        return np.ones_like(x)
    total = np.zeros_like(x)
    for k in range(order + 2):
        power = np.maximum(x + (order + 1) / 2 - k, 0.0) ** order
        total += (-1) ** k * math.comb(order + 1, k) * power
    return total / math.factorial(order)
