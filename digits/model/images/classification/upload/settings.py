"""What the archive of a model says, or whoever uploaded it."""

from __future__ import annotations

from dataclasses import dataclass

from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.tools.value_range import WHOLE


@dataclass(frozen=True, kw_only=True)
class UploadedModelSettings(ImageClassificationModelSettings):
    """How the pictures of an uploaded model are made, and what is known of its training.

    The fields of a training are those that would make the archive's solver.
    """

    dataset: str = ""  # none of this server's
    method: str = "custom"
    archive_name: str = ""
    archive_files: tuple[str, ...] = ()  # what was in it, by the names that they have now
    image_width: int = 0  # pixels, before the network's crop
    image_height: int = 0
    image_channels: int = 3
    resize_mode: str = "squash"
    value_range: tuple[int, ...] = WHOLE  # the 16-bit values that become black and white
    scale_in_deploy: bool = False  # whether deploy.prototxt multiplies by `scale` itself
    origin_dataset: str = ""  # what the dataset was called that it learned from
    trained_by: str = ""
