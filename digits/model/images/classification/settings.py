"""What a classification model was asked for, under the field names of its form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from digits.caffe.data.augmentation import Augmentation, AugmentationFields
from digits.jobs.settings import optional
from digits.model.network.fine_tune import HEAD, HEAD_LR_MULT
from digits.model.network.text import is_pretrained
from digits.model.settings import ModelSettings

PIXEL_MEAN: Final = "pixel"
# Which mean is subtracted, by the words that scripts send, and how pages call it.
MEAN_WORDS: dict[str, bool | Literal["pixel"]] = {
    "none": False,
    "image": True,
    PIXEL_MEAN: PIXEL_MEAN,
}
MEAN_TITLES = {"none": "None", "image": "Image", PIXEL_MEAN: "Pixel"}
MIRRORS = {"": "As in the network", "on": "On", "off": "Off"}


@dataclass(frozen=True, kw_only=True)
class ImageClassificationModelSettings(AugmentationFields, ModelSettings):
    """A training, and how its pictures are prepared; None and empty: as the network has it."""

    # Put a loss and an accuracy in the place of a custom network's final Softmax.
    add_loss: bool = False
    batch_size: int | None = None
    crop_size: int | None = None  # pixels
    # The mean of all training pictures, or one value a channel ("pixel").
    use_mean: bool | Literal["pixel"] = True
    mean_value: tuple[float, ...] = ()  # one, or one a channel
    scale: float | None = None
    mirror: str = ""  # or "on", "off"
    # What learns: "head", "last_blocks", "all"; empty: the head of a network that DIGITS has
    # weights for, and what each layer says of others.  `head_lr_mult`: how much faster the head.
    fine_tune: str = ""
    head_lr_mult: float = HEAD_LR_MULT
    # How often each picture's features are kept where it is cropped or mirrored; None: as usual.
    feature_variants: int | None = None
    # Look for the best learning rate and weight decay first; they become the settings then.
    find_settings: bool = False
    # Each picture to mean 0 and standard deviation 1, by a layer of the network itself.
    aug_whitening: bool = False

    # A pretrained model, by its id (`method` pretrained); whether its network has a mean and a
    # scale of its own; and the card of the one that the weights come from, however long ago.
    pretrained_networks: str | None = optional()
    has_own_input: bool | None = optional()
    card: dict[str, Any] | None = optional()

    @property
    def augmentation(self) -> Augmentation:
        """How training changes its pictures."""
        return Augmentation.of(self)

    @property
    def begins_pretrained(self) -> bool:
        """Whether it begins with weights that need the network's own mean and scale."""
        if self.method == "pretrained":
            return self.has_own_input is True
        if self.method == "custom":
            return is_pretrained(self.custom_network_snapshot)
        return self.method == "standard" and is_pretrained(self.standard_networks)

    @property
    def what_learns(self) -> str:
        """`fine_tune`, where it is empty what suits the network; empty: as the network says."""
        return self.fine_tune or (HEAD if self.begins_pretrained else "")
