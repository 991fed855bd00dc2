"""What a classification model was asked for, under the field names of its form."""

from __future__ import annotations

from dataclasses import dataclass

from digits.model.settings import ModelSettings


@dataclass(frozen=True, kw_only=True)
class ImageClassificationModelSettings(ModelSettings):
    """A training, and how its pictures are prepared; None and empty: as the network has it."""

    # Put a loss and an accuracy in the place of a custom network's final Softmax.
    add_loss: bool = False
    batch_size: int | None = None
    crop_size: int | None = None  # pixels
    use_mean: bool = True
    mean_value: tuple[float, ...] = ()  # one, or one a channel
    scale: float | None = None
    mirror: str = ""  # or "on", "off"
