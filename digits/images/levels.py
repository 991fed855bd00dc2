"""16-bit values as 8 bits: which of them becomes black and which white, and which there were.

Cameras, microscopes and X-ray plates give 10 to 14 bits in files of 16: taken as shares of 65535
they are nearly black, and most of their grey levels become the same one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

WHITE = 65535
# A range below a quarter leaves less than 64 of 256 grey levels.
FEW_VALUES = (WHITE + 1) // 4


@dataclass
class Levels:
    """`low` becomes 0 and `high` 255, what lies beyond as well.

    `seen` are the smallest and the largest 16-bit value that was converted; None before any was.
    """

    low: int = 0
    high: int = WHITE
    seen: tuple[int, int] | None = None

    def to_8_bits(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Whole numbers from 0 to 65535, of any shape, rounded to the nearest of 256 levels."""
        wide = values.astype(np.int64)
        if wide.size:
            self.see((int(wide.min()), int(wide.max())))
        span = max(1, self.high - self.low)
        clipped = np.clip(wide, self.low, self.high) - self.low
        return ((clipped * 255 + span // 2) // span).astype(np.uint8)

    def see(self, seen: tuple[int, int] | None) -> None:
        """Take in the range of other values."""
        self.seen = joined(self.seen, seen)


def joined(*ranges: tuple[int, int] | None) -> tuple[int, int] | None:
    """The range that holds all of these; None when there is none."""
    known: Iterable[tuple[int, int]] = [each for each in ranges if each is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None
