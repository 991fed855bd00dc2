"""How a training changes its pictures at random: the fields, under the names of DIGITS 5 and 6.

In: a preset, numbers and choices.  Out: valid fields; what a preset says stands in them.
Elsewhere: ranges and presets (`caffe/data/augmentation.py`), what fits a dataset
(`images/classification/augmentation_fit.py`).
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, ClassVar

from wtforms import ValidationError

from digits.caffe.data.augmentation import CHOICES, PRESETS, RANGES, Augmentation, preset_of
from digits.web.forms import ChoiceField, DigitsForm, NumberField, YesNoField

OWN = "own"
PRESET_TITLES = {
    "none": "None",
    "light": "Light",
    "medium": "Medium",
    "strong": "Strong",
    OWN: "As set below",
}
FLIP_TITLES = {
    "none": "None",
    "fliplr": "Left and right",
    "flipud": "Up and down",
    "fliplrud": "Both ways",
}
QUAD_ROT_TITLES = {
    "none": "None",
    "rot90": "0, 90 or 270 degrees",
    "rot180": "0 or 180 degrees",
    "rotall": "0, 90, 180 or 270 degrees",
}
# The fields that `aug_hsv_use` switches.
HSV_FIELDS = ("aug_hsv_h", "aug_hsv_s", "aug_hsv_v")
NAMES = tuple(each.name for each in fields(Augmentation))


class AmountField(NumberField):
    """A number within the range of its name; empty is the default."""

    def __init__(self, label: str, **options: Any) -> None:
        super().__init__(label, optional=True, **options)

    @property
    def low(self) -> float:
        return RANGES[self.name][0]

    @property
    def high(self) -> float:
        return RANGES[self.name][1]

    def pre_validate(self, form: Any) -> None:
        """Nothing is the default; ValidationError, with the range, for what is beyond it."""
        if self.data is None:
            self.data = self.default
        if not self.low <= self.data <= self.high:
            raise ValidationError(f"{self.data:g} is out of range: {self.low:g} to {self.high:g}.")


def _amount(name: str, label: str, description: str) -> AmountField:
    return AmountField(label, default=getattr(Augmentation, name), description=description)


class AugmentationForm(DigitsForm):
    """The fields of an augmentation, and the preset that fills them in."""

    aug_preset = ChoiceField(
        "Augmentation",
        choices=list(PRESET_TITLES.items()),
        default="none",
        description="Training sees each picture changed at random, another way each time, so that "
        "few pictures teach more. A preset fills in the fields below. Light suits letters and "
        "digits, too; medium and strong also swap left and right.",
    )
    aug_flip = ChoiceField(
        "Flip",
        choices=list(FLIP_TITLES.items()),
        default=Augmentation.aug_flip,
        description="Pictures are mirrored, each way half of the time. Not where left and right, "
        "or up and down, make a difference. None by default.",
    )
    aug_quad_rot = ChoiceField(
        "Turn by quarters",
        choices=list(QUAD_ROT_TITLES.items()),
        default=Augmentation.aug_quad_rot,
        description="For pictures without an up and down: from above, or through a microscope. 90 "
        "and 270 degrees are for square pictures. None by default.",
    )
    aug_rot = _amount(
        "aug_rot", "Rotation (± degrees)",
        "Pictures are turned by up to so many degrees either way. Edges are continued by their "
        "mirror image. 0 by default: not at all; 10 suits most photographs.",
    )  # fmt: skip
    aug_scale = _amount(
        "aug_scale", "Rescale (std. deviation)",
        "Pictures are made larger or smaller by a factor around 1, and moved. With 0.07 most stay "
        "within 7 percent. 0 by default: not at all.",
    )  # fmt: skip
    aug_crop_scale = _amount(
        "aug_crop_scale", "Smallest crop (share of the area)",
        "A part of each picture is seen, of any place and any size down to this share of its area. "
        "1, the default: the whole picture.",
    )  # fmt: skip
    aug_noise = _amount(
        "aug_noise", "Noise (std. deviation)",
        "White noise is added; 1 is the range from black to white. 0 by default: none; 0.03 is "
        "that of a photograph by night.",
    )  # fmt: skip
    aug_contrast = _amount(
        "aug_contrast", "Contrast (± factor)",
        "Contrast is multiplied by a factor between 1 - x and 1 + x. 0 by default: as it is; 0.4 "
        "is strong, beyond 1 some are negatives.",
    )  # fmt: skip
    aug_hsv_use = YesNoField(
        "Shift colors", default=Augmentation.aug_hsv_use,
        description="Hue, saturation and brightness are shifted, for each picture by other "
        "amounts. Of grayscale pictures only the brightness. Off by default.",
    )  # fmt: skip
    aug_hsv_h = _amount(
        "aug_hsv_h", "Hue (std. deviation)",
        "How far hues are shifted; 1 is once around the circle of colors. 0.02 by default: a red "
        "stays a red.",
    )  # fmt: skip
    aug_hsv_s = _amount(
        "aug_hsv_s", "Saturation (std. deviation)",
        "How much more, or less, colorful pictures become; 1 is the range from gray to pure "
        "colors. 0.04 by default.",
    )  # fmt: skip
    aug_hsv_v = _amount(
        "aug_hsv_v", "Value (std. deviation)",
        "How much brighter, or darker, pictures become; 1 is the range from black to full light. "
        "0.06 by default.",
    )  # fmt: skip
    aug_blur = _amount(
        "aug_blur", "Blur (pixels)",
        "Pictures are blurred by up to so many pixels (the standard deviation of a bell curve). 0 "
        "by default: none.",
    )  # fmt: skip
    aug_erase = _amount(
        "aug_erase", "Erase (share of pictures)",
        "In this share of the pictures a rectangle is erased, 2 to 20 percent of the area, so that "
        "no single detail decides. 0 by default: in none.",
    )  # fmt: skip
    aug_whitening = YesNoField(
        "Whitening", default=False,
        description="The network brings each picture to a mean of 0 and a standard deviation of 1 "
        "itself, by a layer at its start, in training, validation and use alike. Off by default; "
        "for pictures of very different light.",
    )  # fmt: skip

    # What each preset puts into the fields, for the page.
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {n: asdict(p) for n, p in PRESETS.items()}
    # What the page shows when it is asked for more.
    AUGMENTATION = ("aug_preset", *NAMES, "aug_whitening")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if not self.aug_preset.raw_data:  # as in a form that shows the settings of a job
            self.aug_preset.data = preset_of(self.augmentation()) or OWN

    def validate(self, extra_validators: Any = None) -> bool:
        """Fill in what the preset says, then check the fields."""
        for name in ("aug_preset", *CHOICES):
            self[name].data = self[name].data or self[name].default
        self._take_preset()
        if not self.aug_hsv_use.data:
            for name in HSV_FIELDS:
                self[name].process_errors = []
                self[name].data = self[name].default
        good = super().validate(extra_validators)
        if self.aug_whitening.data and self.aug_contrast.data:
            self.add_error(
                "aug_contrast",
                "Whitening takes any change of contrast back. Choose 0 here, or no whitening.",
            )
            return False
        return good

    def augmentation(self) -> Augmentation:
        """What the fields say; of a field that holds nothing usable, its default."""
        values = {name: self[name].data for name in NAMES}
        usual = Augmentation()
        known = {n: getattr(usual, n) if v is None else v for n, v in values.items()}
        return Augmentation(**known)

    def _take_preset(self) -> None:
        """Put the preset into the fields that were not sent.

        A browser sends all of them: there it stands for fields that nobody has touched.
        """
        preset = PRESETS.get(self.aug_preset.data or "")
        if preset is None or not self.aug_preset.raw_data:
            return
        from_script = self.meta.absent_is_usual
        is_untouched = all(self[name].data in (self[name].default, None) for name in NAMES)
        for name in NAMES:
            if not self[name].raw_data if from_script else is_untouched:
                self[name].data = getattr(preset, name)
