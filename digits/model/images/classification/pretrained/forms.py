"""The form of a pretrained model: the weights, the network that they belong to, and the card.

Field names are a public interface; those that DIGITS 5 has, too, are called as there.
"""

from __future__ import annotations

from typing import Any

from wtforms import StringField, TextAreaField, ValidationError
from wtforms.fields import Field

from digits.dataset.images.forms import MODE_CHOICES
from digits.images import MAX_SIDE
from digits.model.card import LONGEST_TEXT, Card
from digits.model.forms import UploadField
from digits.model.images.classification.upload.reading import MOST_LABEL_BYTES
from digits.sources.picture_list import is_url
from digits.tools.torchvision_networks import NETWORKS
from digits.web.forms import (
    ChoiceField,
    DigitsForm,
    JobForm,
    WholeNumberField,
    one_line,
    required_name,
    server_path,
)
from digits.web.submitted import single_value
from digits.web.words import shown

CAFFE, PYTORCH = "caffe", "pytorch"
CAFFE_WEIGHTS = (".caffemodel", ".caffemodel.h5", ".h5")
STATE_DICTS = (".pth", ".pt")
CHANNELS = {"3": 3, "1": 1}
OTHER_FRAMEWORKS = {"torch": "Torch", "tensorflow": "TensorFlow"}


def _card_text(form: Any, field: Field) -> None:
    """Raises ValidationError for a text that no card can have."""
    text = (field.data or "").strip()
    if len(text) > LONGEST_TEXT:
        raise ValidationError(f"The text has more than {LONGEST_TEXT:,} characters.")
    if not all(c.isprintable() or c in "\r\n\t" for c in text):
        raise ValidationError("The text contains characters that cannot be displayed.")


class CardFields(DigitsForm):
    """What the card says of a pretrained model; each may stay empty."""

    card_source = TextAreaField(
        "Source",
        [_card_text],
        description="Where the weights are from: an address, a paper, who trained them. It goes "
        "into the archive of every model that begins with them.",
    )
    card_licence = StringField(
        "Licence",
        [_card_text],
        description="Under which licence the weights may be used and handed on, such as "
        "BSD-3-Clause or CC BY-NC 4.0.",
    )
    card_data = TextAreaField(
        "Data that it learned from",
        [_card_text],
        description="The data set, and what may be done with it: ImageNet, for research only.",
    )
    card_limits = TextAreaField(
        "Limits",
        [_card_text],
        description="What the model is not for, what it is known to get wrong.",
    )

    def card(self, name: str = "") -> Card:
        """What was said of the model called `name`."""
        card = Card.from_json(
            {
                "name": name,
                "source": self.card_source.data,
                "licence": self.card_licence.data,
                "data": self.card_data.data,
                "limits": self.card_limits.data,
            }
        )
        return card or Card()


class ResizeModeField(ChoiceField):
    """A resize mode; scripts of DIGITS 5 send it as Squash, too."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the word; one that is unknown is told by the check of choices."""
        if valuelist:
            self.data = str(valuelist[0]).strip().lower()


class PretrainedModelForm(JobForm, CardFields):
    """A file of weights, what they are for, and where they are from.

    Which format it has, the file tells; a script may say it (`framework`), as DIGITS 5's do.
    """

    also_known = ("framework",)
    # Scripts of DIGITS 5 have none; another site's pages are refused by their origin.
    needs_token = False

    job_name = StringField(
        "Name", [required_name], description="A name to find the pretrained model by."
    )
    weights_file = UploadField(
        "Weights",
        description="A .caffemodel, binary or HDF5, or a state_dict (.pth) of torchvision’s "
        "AlexNet, VGG, SqueezeNet 1.1, ResNet-18, 34 or 50, MobileNetV2 or GoogLeNet.",
    )
    weights_path = StringField(
        "Path or address of the weights",
        description="Instead of an upload: a file on the server, or an http address of one.",
    )
    torchvision_network = ChoiceField(
        "Network of torchvision",
        choices=[("", "As the tensors say"), *((n.name, n.title) for n in NETWORKS.values())],
        default="",
        description="Which network a state_dict is of. By default the one whose layers have the "
        "names of its tensors.",
    )
    model_def_file = UploadField(
        "Network",
        description="Of weights of Caffe: the prototxt that they were trained with, or "
        "deploy.prototxt. A state_dict needs none.",
    )
    labels_file = UploadField(
        "Labels",
        description="A text file with the name of one category on each line, in the order in which "
        "the network learned them. Without one, categories are called by their numbers; a "
        "state_dict with 1,000 categories gets the names of ImageNet’s.",
    )
    image_type = ChoiceField(
        "Picture type",
        choices=[("3", "Color"), ("1", "Grayscale")],
        default="3",
        description="What the network learned from. Color by default.",
    )
    width = WholeNumberField(
        "Width", low=1, high=MAX_SIDE, optional=True,
        description="Pixels of the pictures that the network learned from, before it cuts out its "
        "part. Empty: the size of the network’s input; 256 for a network of torchvision.",
    )  # fmt: skip
    height = WholeNumberField(
        "Height", low=1, high=MAX_SIDE, optional=True, description="Pixels, as the width."
    )  # fmt: skip
    resize_mode = ResizeModeField(
        "Resize transformation",
        choices=[("", "As usual"), *MODE_CHOICES],
        default="",
        description="What happened to pictures of another shape. By default squash; for a network "
        "of torchvision, crop.",
    )

    # What a browser's file dialog offers.
    weights_extensions = ",".join([*CAFFE_WEIGHTS, *STATE_DICTS])

    def validate(self, extra_validators: Any = None) -> bool:
        """Check every field, and that the weights were given once."""
        super().validate(extra_validators)
        self._check_framework()
        self._check_weights()
        labels = self.labels_file.data
        if labels is not None and _size(labels) > MOST_LABEL_BYTES:
            self.add_error("labels_file", f"The file has more than {MOST_LABEL_BYTES:,} bytes.")
        return not self.all_errors

    @property
    def channels(self) -> int:
        """3 for colour, 1 for grey."""
        return CHANNELS[self.image_type.data]

    @property
    def address(self) -> str:
        """The URL of the weights; empty where they are an upload or on the server."""
        text = (self.weights_path.data or "").strip()
        return text if is_url(text) else ""

    @property
    def framework(self) -> str:
        """The format that a script says: caffe or pytorch; empty: as the file is."""
        return single_value("framework").strip().lower()

    def _check_framework(self) -> None:
        word = self.framework
        if word in ("", CAFFE, PYTORCH):
            return
        message = f"{shown(word)} is not a choice. Choose one of {CAFFE}, {PYTORCH}."
        if word in OTHER_FRAMEWORKS:
            message = (
                f"Weights of {OTHER_FRAMEWORKS[word]} cannot be used here. Give a .caffemodel, or "
                "a state_dict of PyTorch."
            )
        # It is no field of the page.
        self.unknown = {**self.unknown, "framework": [message]}

    def _check_weights(self) -> None:
        """Exactly one file of weights, whose path may be read."""
        path = (self.weights_path.data or "").strip()
        upload = self.weights_file.data
        if upload is not None and path:
            message = "Weights are given twice, as an upload and as a path. Remove one of them."
            self.add_error("weights_path", message)
        elif upload is None and not path and not self.weights_file.errors:
            self.add_error(
                "weights_file",
                "Missing weights file. Choose a file, or give the path or address of one.",
            )
        elif path and not is_url(path):
            try:
                self.weights_path.data = str(server_path(path, folder=False))
            except ValidationError as error:
                self.add_error("weights_path", str(error))


class FromModelForm(CardFields):
    """What `to_pretrained` asks besides the model."""

    needs_token = False

    snapshot_epoch = StringField("Epoch")
    job_name = StringField("Name", [one_line])


def _size(upload: Any) -> int:
    size: int = upload.stream.seek(0, 2)
    upload.stream.seek(0)
    return size
