"""Fields that every dataset of pictures has, and the form of the resize example."""

from __future__ import annotations

from digits.dataset.images.settings import ImageDatasetSettings as Defaults
from digits.dataset.titles import BACKENDS, ENCODINGS, RESIZE_MODES
from digits.images import MAX_SIDE
from digits.web.forms import ChoiceField, DigitsForm, WholeNumberField

CHANNEL_CHOICES = [("3", "Color"), ("1", "Grayscale")]
MODE_CHOICES = list(RESIZE_MODES.items())
ENCODING_CHOICES = list(ENCODINGS.items())
BACKEND_CHOICES = list(BACKENDS.items())


class ResizeExampleForm(DigitsForm):
    """A transformation to be shown on the example picture."""

    needs_token = False

    width = WholeNumberField("Width", low=1, high=MAX_SIDE, default=Defaults.resize_width)
    height = WholeNumberField("Height", low=1, high=MAX_SIDE, default=Defaults.resize_height)
    channels = ChoiceField("Image type", choices=CHANNEL_CHOICES, default=Defaults.resize_channels)
    resize_mode = ChoiceField(
        "Resize transformation", choices=MODE_CHOICES, default=Defaults.resize_mode
    )
    encoding = ChoiceField("Image encoding", choices=ENCODING_CHOICES, default=Defaults.encoding)
