"""An augmentation in words: for a model's page, its archive, and to compare models by."""

from __future__ import annotations

from digits.caffe.data.augmentation import Augmentation, preset_of
from digits.model.images.classification.settings import ImageClassificationModelSettings as Settings

NONE = "none"
FLIPS = {
    "fliplr": "flipped left and right",
    "flipud": "flipped up and down",
    "fliplrud": "flipped both ways",
}
QUARTER_TURNS = {
    "rot90": "turned by 0, 90 or 270°",
    "rot180": "turned by 0 or 180°",
    "rotall": "turned by 0, 90, 180 or 270°",
}
# What each number means, with the number in its place.
AMOUNTS = {
    "aug_rot": "turned by up to {:g}°",
    "aug_scale": "rescaled by a deviation of {:g}",
    "aug_crop_scale": "cropped to {:g} of the area or more",
    "aug_noise": "noise of {:g}",
    "aug_contrast": "contrast ± {:g}",
    "aug_blur": "blurred by up to {:g} pixels",
    "aug_erase": "{:g} of them erased in part",
}
PRESETS_APART = ("", NONE)


def augmentation_in_words(augmentation: Augmentation) -> str:
    """How training changes pictures; a preset is named before what it does."""
    words = [_field_in_words(augmentation, name) for name in augmentation.changed_fields]
    told = ", ".join(filter(None, words)) or NONE
    preset = preset_of(augmentation)
    return told if preset in PRESETS_APART else f"{preset}: {told}"


def whitening_in_words(settings: Settings) -> str:
    """Whether the network whitens pictures."""
    return "each picture to mean 0, deviation 1" if settings.aug_whitening else NONE


def _field_in_words(augmentation: Augmentation, name: str) -> str:
    a = augmentation
    if name == "aug_flip":
        return FLIPS.get(a.aug_flip, a.aug_flip)
    if name == "aug_quad_rot":
        return QUARTER_TURNS.get(a.aug_quad_rot, a.aug_quad_rot)
    if name == "aug_hsv_use":
        return f"hue, saturation, value by {a.aug_hsv_h:g}, {a.aug_hsv_s:g}, {a.aug_hsv_v:g}"
    return AMOUNTS[name].format(getattr(a, name)) if name in AMOUNTS else ""
