"""How the pictures of a model are made, whoever knows it.

Of a model that was trained here its dataset does; of one that came in an archive, the model itself
(`upload/job.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class PictureFacts(Protocol):
    """Size, colour and treatment of the pictures that a network was trained with."""

    @property
    def width(self) -> int:
        """Pixels, before the network's crop."""

    @property
    def height(self) -> int:
        """Pixels, before the network's crop."""

    @property
    def channels(self) -> int:
        """3 for colour, 1 for grey."""

    @property
    def resize_mode(self) -> str:
        """squash, crop, fill or half_crop."""

    @property
    def value_range(self) -> tuple[int, int]:
        """The 16-bit values that become black and white."""

    @property
    def labels_path(self) -> Path:
        """The names of the categories, one a line."""

    @property
    def mean_path(self) -> Path:
        """The mean picture; it may not exist."""

    def labels(self) -> list[str]:
        """The names of the categories, by class number."""
