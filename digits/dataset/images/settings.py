"""What any dataset of pictures was asked for: how they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from digits.jobs.record import Count
from digits.jobs.settings import JobSettings


@dataclass(frozen=True, kw_only=True)
class ImageDatasetSettings(JobSettings):
    """How pictures are stored; sizes in pixels."""

    resize_channels: Literal["1", "3"] = "3"  # or "1", for grey ones
    resize_width: Count = 256
    resize_height: Count = 256
    resize_mode: str = "squash"
    encoding: str = "png"
    value_range: str = "full"  # or "seen": of 16-bit values, those of the training pictures
