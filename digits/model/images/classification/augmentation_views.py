"""What the form of a model shows of an augmentation: pictures of the dataset, changed by chance.

They come from a worker process; nothing is read or changed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue
from wtforms import StringField

from digits.dataset.images.classification.explore_views import (
    database_of,
    find_dataset,
    require_split,
)
from digits.errors import FormError
from digits.inference.operations import AugmentRecords, Thumbnail, Treatment
from digits.model.augmentation_form import AugmentationForm
from digits.model.images.classification.augmentation_fit import check_augmentation
from digits.model.images.classification.fields import MirrorField
from digits.model.images.classification.forms import LARGEST_CROP, ImageClassificationModelForm
from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.web.answers import answer, services
from digits.web.forms import WholeNumberField

PICTURES = 9
MOST_TURNS = 1_000_000
# The worker that checks networks as well makes them, one after the other.
ANSWER_S = 30.0

blueprint = Blueprint("augmentation", __name__)


class AugmentExampleForm(AugmentationForm):
    """An augmentation to be shown on pictures of a dataset."""

    needs_token = False

    dataset = StringField("Dataset")
    crop_size = WholeNumberField("Crop size", low=1, high=LARGEST_CROP, optional=True)
    mirror = MirrorField("Mirror", default=ImageClassificationModelSettings.mirror)
    turn = WholeNumberField("Turn", low=0, high=MOST_TURNS, default=0)

    def treatment(self) -> Treatment:
        """What is done to each picture."""
        return Treatment(
            self.augmentation(),
            bool(self.aug_whitening.data),
            self.crop_size.data or 0,
            self.mirror.data == "on",
        )


@blueprint.post("/augment-example.json")
@blueprint.post("/augment-example")
def augment_example() -> ResponseReturnValue:
    """Nine training pictures of a `dataset` as training would see them, changed by chance.

    Takes the `aug_` fields of a model's form, its `crop_size` and `mirror`, and `turn` [0]: another
    one takes other pictures, the same one the same.  A crop that the network alone asks for is not
    shown.  `{"pictures": [{"number", "label", "name", "image", "error"}], "waiting"}`, `image`
    being a `data:` address; as a page the `<img>`s.  While the dataset is being made there are no
    pictures, and `waiting` says so; otherwise it is null.
    """
    form = AugmentExampleForm.submitted(also_known=_fields_of_models())
    if not form.validate():
        raise FormError(form.all_errors)
    if not form.dataset.data:
        raise FormError({"dataset": ["Choose a dataset whose pictures are to be shown."]})
    dataset = find_dataset(form.dataset.data.strip())
    treatment = form.treatment()
    check_augmentation(treatment.augmentation, services().config.caffe_root, dataset)
    template = "models/images/classification/augment_example.html"
    if dataset.status.is_active:
        waiting = "The pictures are shown when the dataset is complete."
        return answer(template, {"pictures": [], "waiting": waiting}, pictures=[], waiting=waiting)
    database = database_of(dataset, require_split(dataset, "train"))
    request = AugmentRecords(database, treatment, PICTURES, form.turn.data or 0)
    found = services().pool.ask(request, timeout_s=ANSWER_S).pictures
    labels = dataset.labels()
    shown = [_described(picture, labels) for picture in found]
    return answer(template, {"pictures": shown, "waiting": None}, pictures=shown, waiting=None)


def _described(picture: Thumbnail, labels: Sequence[str]) -> dict[str, Any]:
    is_known = 0 <= picture.label < len(labels)
    return {
        "number": picture.number,
        "label": picture.label,
        "name": labels[picture.label] if is_known else str(picture.label),
        "image": picture.url,
        "error": picture.reason or None,
    }


def _fields_of_models() -> list[str]:
    """Scripts send the whole form of a model, of which this reads a part."""
    form = ImageClassificationModelForm(formdata=None, meta={"csrf": False})
    return [field.name for field in form]
