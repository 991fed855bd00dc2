"""Which of very many points are kept: the first, the last, and each stretch's extremes."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import cast

# Of more columns the extremes are not looked for: an output of a thousand values is no measure.
MOST_EXACT = 10

Column = Sequence[float | None]


def rows_to_keep(iterations: Sequence[int], columns: Sequence[Column], limit: int) -> list[int]:
    """Numbers of `limit` rows at most, over stretches of equally many iterations.

    Rows that were kept before are kept in the same density as new ones, so that a table can be
    thinned again and again while it grows.
    """
    exact = columns[:MOST_EXACT]
    stretches = max(1, (limit - 2) // (2 * max(1, len(exact))))
    first, count = iterations[0], len(iterations)
    span = iterations[-1] - first + 1
    kept = {0, count - 1}
    begin = 0
    for number in range(1, stretches + 1):
        end = bisect_left(iterations, first + number * span // stretches, begin)
        if begin < end:
            for column in exact or [iterations]:
                kept.update(extremes(column, range(begin, end)))
        begin = end
    return sorted(kept)


def extremes(column: Column, rows: range) -> list[int]:
    """Numbers of the rows with the first smallest and the first largest finite value of some."""
    part = column[rows.start : rows.stop]
    # Nearly always all are numbers, and then this is ten times as fast.
    if None not in part and math.isfinite(sum(values := cast(Sequence[float], part))):
        return [rows.start + values.index(find(values)) for find in (min, max)]
    known = [(value, row) for row in rows if _is_finite(value := column[row])]
    # A stretch of nothing but nan still shows that there was something.
    return [min(known)[1], max(known)[1]] if known else [rows[0]]


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
