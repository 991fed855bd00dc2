"""The form of a new classification model.

Field names and defaults are a public interface; the defaults stand in `settings.py`.  A box
that is absent from a browser's POST is off; a script that leaves it out gets the default.
What a field is for stands in its description, and why its default is what it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from wtforms import StringField, TextAreaField, ValidationError

from digits.model.augmentation_form import AugmentationForm
from digits.model.forms import POLICY_FIELDS, NumberListField, UploadField
from digits.model.images.classification.fields import (
    ChoicesField,
    CommaListField,
    MeanField,
    MirrorField,
)
from digits.model.images.classification.pretrained.choice import BeginsFromPretrained
from digits.model.images.classification.settings import PIXEL_MEAN
from digits.model.images.classification.settings import ImageClassificationModelSettings as Settings
from digits.model.job import FIRST_WEIGHTS
from digits.model.length_form import TrainingLengthForm
from digits.model.loss_form import LossForm
from digits.model.network.fine_tune import TITLES as FINE_TUNE_TITLES
from digits.model.network.text import STANDARD_NETWORKS, is_pretrained
from digits.model.network.training import MAX_BATCH_SIZE
from digits.model.solver_form import SolverForm
from digits.web.forms import (
    ChoiceField,
    JobForm,
    NumberField,
    WholeNumberField,
    YesNoField,
    choice_list,
    required_name,
    server_path,
)
from digits.web.submitted import single_value
from digits.web.words import shown

LARGEST_SEED = 2**32 - 1
LARGEST_CROP = 100_000
LARGEST_SCALE = 1_000_000
LARGEST_MEAN = 65_535  # of pictures with 16 bits
MOST_CHANNELS = 3
LARGEST_HEAD_LR_MULT = 10_000
MOST_VARIANTS = 1000
WEIGHT_FILES = (".caffemodel", ".caffemodel.h5", ".h5")

# What a network says of its own mean and scale, where others are asked for.
OWN_INPUT = {
    "use_mean": "{} subtracts a mean of its own, which its weights were learned with. Leave this "
    "out, or choose None.",
    "mean_value": "{} subtracts a mean of its own, which its weights were learned with. Leave "
    "this empty.",
    "scale": "{} scales the pixels itself, as its weights were learned with. Leave this empty.",
    "aug_whitening": "{} brings pictures to its own range, as its weights were learned with. Turn "
    "this off.",
}
# Fields that only one method reads.
METHOD_FIELDS = {
    "previous": ("previous_networks", "restart_outputs"),
    "pretrained": ("pretrained_networks",),
    "custom": ("custom_network_snapshot", "add_loss"),
}


class ImageClassificationModelForm(
    JobForm, AugmentationForm, TrainingLengthForm, SolverForm, LossForm, BeginsFromPretrained
):
    """What a new model learns from, with which network, and how."""

    model_name = StringField(
        "Model name", [required_name], description="A name to find the model by."
    )
    dataset = ChoiceField(
        "Dataset",
        validate_choice=False,
        description="What the network learns from. The training waits until it is ready.",
    )
    method = ChoiceField(
        "Network",
        choices=[
            ("standard", "Standard networks"),
            ("previous", "Previous networks"),
            ("pretrained", "Pretrained networks"),
            ("custom", "Custom network"),
        ],
        default=Settings.method,
        description="Where the network comes from. A standard one, the default, needs nothing "
        "else; a previous or a pretrained one brings its weights along; a custom one is your own "
        "prototxt.",
    )
    standard_networks = ChoiceField(
        "Standard network",
        choices=[(network.name, network.title) for network in STANDARD_NETWORKS.values()],
        default=Settings.standard_networks,
        description="LeNet suits small grayscale pictures and a CPU; AlexNet, the default of "
        "scripts, color photographs and a GPU; GoogLeNet is more accurate and slower. "
        "EfficientNet-Lite0 begins with weights: fifty photographs a category, no GPU.",
    )
    previous_networks = ChoiceField(
        "Previous network",
        validate_choice=False,
        choices=[],
        description="A model that was trained here. The new one can start from the weights of one "
        "of its snapshots.",
    )
    restart_outputs = YesNoField(
        "Train the classifier from scratch", default=Settings.restart_outputs,
        description="Off by default: the trained classifier is kept if the dataset has the same "
        "categories. On: only its features are kept. With other categories the classifier always "
        "starts from scratch.",
    )  # fmt: skip
    custom_network = TextAreaField(
        "Custom network",
        description="The network as prototxt. Data layers may be left out; source, backend and "
        "the number of outputs are filled in.",
    )
    add_loss = YesNoField(
        "Add a loss", default=Settings.add_loss,
        description="For networks that are published without a loss (deploy.prototxt): a loss and "
        "an accuracy replace the final Softmax. Off by default.",
    )  # fmt: skip
    custom_network_snapshot = StringField(
        "Pretrained weights",
        description="The path of a .caffemodel on the server to start from, or efficientnet-lite0 "
        "for the weights of that network. Empty: random weights.",
    )
    custom_network_weights = UploadField(
        "Upload pretrained weights",
        description="A .caffemodel from your computer to start from, instead of one on the server.",
    )

    fine_tune = ChoiceField(
        "What learns",
        choices=list(FINE_TUNE_TITLES.items()),
        default=Settings.fine_tune,
        description="Of a network that begins with weights. The last layer needs the fewest "
        "pictures, everything the most. As suits the network, the default: the last layer of "
        "EfficientNet-Lite0 and of torchvision’s networks, everything of others.",
    )
    head_lr_mult = NumberField(
        "Learning rate of the last layer", above=0, high=LARGEST_HEAD_LR_MULT,
        default=Settings.head_lr_mult,
        description="How many times as fast as the others it learns, where What learns is chosen. "
        "10 by default: it begins with random weights, and they do not.",
    )  # fmt: skip

    feature_variants = WholeNumberField(
        "Variants of each picture", low=1, high=MOST_VARIANTS, optional=True,
        description="What does not learn runs once for each picture. Where training crops or "
        "mirrors at random, that is done for so many variants of it. Empty: 4 then.",
    )  # fmt: skip

    find_settings = YesNoField(
        "Find the best learning rate and decay first", default=Settings.find_settings,
        description="Where only the last layer learns: some learning rates around the one below, "
        "and weight decays, are tried on parts of the training pictures, and the training takes "
        "the best pair. A minute for some hundred pictures. Off by default.",
    )  # fmt: skip

    random_seed = WholeNumberField(
        "Random seed", low=0, high=LARGEST_SEED, optional=True,
        description="The same seed starts with the same weights. Empty: a new one each time.",
    )  # fmt: skip
    batch_size = WholeNumberField(
        "Batch size", low=1, high=MAX_BATCH_SIZE, optional=True,
        description="Pictures in each iteration. Smaller batches need less memory. Empty: as in "
        "the network.",
    )  # fmt: skip
    crop_size = WholeNumberField(
        "Crop size", low=1, high=LARGEST_CROP, optional=True,
        description="Training sees random squares of this many pixels, validation the middle. "
        "Empty: as in the network.",
    )  # fmt: skip
    use_mean = MeanField(
        "Subtract mean", default=Settings.use_mean,
        description="Centers the pixels around zero, so that networks learn faster. Image, the "
        "default: the mean of all training pictures. Pixel: one value for each color.",
    )  # fmt: skip

    mean_value = NumberListField(
        "Mean values", most=MOST_CHANNELS, low=-LARGEST_MEAN, high=LARGEST_MEAN,
        default=Settings.mean_value,
        description="Subtracted from the pixels instead of another mean: one number, or one for "
        "each of blue, green and red with commas between them. Empty: as in the network.",
    )  # fmt: skip
    scale = NumberField(
        "Scale", above=0, high=LARGEST_SCALE, optional=True,
        description="What pixels are multiplied by, after the mean; 0.00390625 brings 0 to 255 "
        "down to 0 to 1. Empty: as in the network.",
    )  # fmt: skip
    mirror = MirrorField(
        "Mirror",
        default=Settings.mirror,
        description="On: training sees half of the pictures mirrored, so that left and right make "
        "no difference. Not for letters and digits. By default as in the network.",
    )

    select_gpu = ChoiceField(
        "GPU",
        default=Settings.select_gpu,
        validate_choice=False,
        description="Next available, the default: "
        "whichever is free first, so that nobody waits for a busy one.",
    )
    select_gpus = ChoicesField(
        "GPUs",
        validate_choice=False,
        description="Several share each batch. None chosen: one is enough for most networks.",
    )
    select_gpus_list = CommaListField(
        "GPUs by index", description="The same as one text, with commas between the indices."
    )
    select_gpu_count = WholeNumberField(
        "Number of GPUs", low=1, high=64, optional=True,
        description="How many free GPUs are used. Empty: one, or those that are selected.",
    )  # fmt: skip

    # What the page shows when it is asked for more.
    MORE = (
        *("crop_size", "use_mean", "mean_value", "scale", "mirror"),
        *("select_gpu", "select_gpus", "select_gpu_count"),
        *("fine_tune", "head_lr_mult", "feature_variants", "find_settings"),
        *("batch_size", "random_seed"),
        *TrainingLengthForm.MORE,
        *SolverForm.MORE,
        *LossForm.MORE,
        *AugmentationForm.AUGMENTATION,
        *("group_name", "learning_rate", "lr_policy", "lr_warmup"),
        *(name for names in POLICY_FIELDS.values() for name in names),
    )

    # The epoch that a cloned model began from; None: what was sent says it.
    cloned_snapshot: float | None = None
    own_input: Mapping[str, str] = MappingProxyType({})

    def offer(
        self,
        datasets: Iterable[tuple[str, str]],
        previous: Mapping[str, Sequence[float | int]],
        gpus: Sequence[str],
        own_input: Mapping[str, str] | None = None,
        pretrained: Iterable[str] = (),
    ) -> None:
        """Say what there is to choose from: datasets, models with the epochs they have, GPUs.

        `own_input` are the models whose networks have a mean and a scale of their own: by their
        ids, what their networks are called; `pretrained` are the ids of pretrained models.
        """
        self.offer_pretrained(pretrained)
        self.dataset.choices = choice_list(datasets)
        self.previous: Mapping[str, Sequence[float | int]] = previous
        self.own_input = own_input or {}
        self.previous_networks.choices = choice_list((job_id, job_id) for job_id in previous)
        self.gpus = list(gpus)
        single = [(gpu, gpu) for gpu in gpus]
        self.select_gpu.choices = choice_list([("next", "Next available"), *single])
        self.select_gpus.choices = choice_list(single)

    def offer_previous(self, job_id: str, epoch: float) -> None:
        """Add a model, with an epoch, to those whose network can be taken."""
        self.previous = {**self.previous, job_id: [*self.previous.get(job_id, ()), epoch]}
        self.previous_networks.choices = choice_list((each, each) for each in self.previous)

    def validate(self, extra_validators: Any = None) -> bool:
        """Check every field, then those that the chosen method needs."""
        if listed := self.select_gpus_list.data:
            self.select_gpus.data = list(listed)
        super().validate(extra_validators)
        self._check_own_input()
        self._check_mean()
        self._check_choice("dataset", "dataset")
        if self.method.data == "previous":
            self._check_choice("previous_networks", "model")
            self._check_previous_snapshot()
        elif self.method.data == "pretrained":
            self._check_choice("pretrained_networks", "pretrained model")
        elif self.method.data == "custom":
            self._check_custom()
        self._check_gpus()
        return not self.all_errors

    def settings(self) -> Settings:
        """What was asked for; the network is kept apart."""
        values = self.values_of(Settings)
        values["select_gpus"] = values["select_gpus"] or Settings.select_gpus
        # What stands in the fields of other methods was neither looked at nor asked for.
        for method, names in METHOD_FIELDS.items():
            if method != self.method.data:
                values |= {name: False if values[name] in (True, False) else "" for name in names}
        values["pretrained_networks"] = values["pretrained_networks"] or None
        is_previous = self.method.data == "previous"
        return Settings(**values, previous_snapshot=self.previous_snapshot if is_previous else None)

    @property
    def previous_snapshot(self) -> float | int:
        """The epoch whose weights are taken; 0: the network alone, -1: what it began from."""
        text = self._previous_snapshot_text()
        if not text:
            return 0
        chosen = self.previous_networks.data
        epochs = [FIRST_WEIGHTS, 0, *self.previous.get(chosen, ())]
        return next(epoch for epoch in epochs if epoch == float(text))

    def _previous_snapshot_text(self) -> str:
        if self.cloned_snapshot is not None:
            return str(self.cloned_snapshot)
        return single_value(f"{self.previous_networks.data}-snapshot").strip()

    def _check_choice(self, name: str, what: str) -> None:
        field = self[name]
        known = [choice.value for choice in field.choices or []]
        if not field.data:
            self.add_error(name, f"Choose a {what}.")
        elif field.data not in known:
            self.add_error(
                name, f"There is no {what} {shown(str(field.data))}. Choose another one."
            )

    def _check_previous_snapshot(self) -> None:
        if self.previous_networks.data not in self.previous:
            return
        text = self._previous_snapshot_text()
        try:
            _ = self.previous_snapshot
        except (ValueError, StopIteration):
            epochs = ", ".join(f"{e:g}" for e in self.previous[self.previous_networks.data])
            self.add_error(
                "previous_networks",
                f"This model has no snapshot of epoch {shown(text)}. Choose 0 for the network "
                f"alone{', or one of ' + epochs if epochs else ''}.",
            )

    def _check_custom(self) -> None:
        if not (self.custom_network.data or "").strip():
            self.add_error("custom_network", "Paste a network as prototxt text.")
        path = (self.custom_network_snapshot.data or "").strip()
        self.custom_network_snapshot.data = path
        if path and not is_pretrained(path):
            try:
                self.custom_network_snapshot.data = str(_weights_file(path))
            except ValidationError as error:
                self.add_error("custom_network_snapshot", str(error))
        self._check_upload(path)

    def _check_upload(self, path: str) -> None:
        upload = self.custom_network_weights.data
        if upload is None:
            return
        if path:
            self.add_error(
                "custom_network_weights",
                "Weights are given twice, as an upload and as a path. Remove one of them.",
            )
        elif not upload.filename.endswith(WEIGHT_FILES):
            self.add_error(
                "custom_network_weights", f"{shown(upload.filename)} is not a .caffemodel file."
            )

    def _check_own_input(self) -> None:
        """A network with weights has a mean and a scale, and no others fit the weights."""
        title = self._pretrained_title()
        if not title:
            return
        if not self.use_mean.was_sent:
            self.use_mean.data = False
        reasons = {
            "use_mean": self.use_mean.data is not False,
            "mean_value": bool(self.mean_value.data),
            "scale": self.scale.data is not None,
            "aug_whitening": bool(self.aug_whitening.data),
        }
        for name in (name for name, is_other in reasons.items() if is_other):
            self.add_error(name, OWN_INPUT[name].format(title))

    def _pretrained_title(self) -> str:
        """Of the network whose weights fit one mean and scale; empty for others."""
        if self.method.data == "standard":
            network = STANDARD_NETWORKS.get(self.standard_networks.data or "")
            return network.title if network and network.is_pretrained else ""
        if self.method.data == "custom":
            named = (self.custom_network_snapshot.data or "").strip()
            return STANDARD_NETWORKS[named].title if is_pretrained(named) else ""
        if self.method.data == "previous":
            return self.own_input.get(self.previous_networks.data or "", "")
        if self.method.data == "pretrained":
            return self.own_input.get(self.pretrained_networks.data or "", "")
        return ""

    def _check_mean(self) -> None:
        """Mean values stand in place of another mean, which a script may leave out."""
        if not self.mean_value.data:
            return
        if not self.use_mean.was_sent:
            self.use_mean.data = False
        elif self.use_mean.data == PIXEL_MEAN:
            self.add_error(
                "mean_value",
                "Mean values and the mean pixel cannot both be subtracted. Choose one of them.",
            )

    def _check_gpus(self) -> None:
        chosen = {
            "select_gpu": [] if self.select_gpu.data in (None, "next") else [self.select_gpu.data],
            "select_gpus": self.select_gpus.data or [],
        }
        available = ", ".join(self.gpus) or "none"
        for name, indices in chosen.items():
            for index in indices:
                if index not in self.gpus:
                    self.add_error(
                        name, f"There is no GPU {shown(str(index))}. The server has: {available}."
                    )
        count = self.select_gpu_count.data
        # One is what any training takes, on a machine without GPUs too.
        if count and count > max(1, len(self.gpus)):
            self.add_error("select_gpu_count", f"The server has {len(self.gpus)} GPUs.")


class EstimateForm(ImageClassificationModelForm):
    """The same form while it is filled in: a name is not needed yet, and nothing is changed."""

    needs_token = False

    model_name = StringField("Model name")
    timed = YesNoField("Time a few iterations", default=True)

    @property
    def wrong(self) -> dict[str, list[str]]:
        """What is wrong with fields that hold something; the others are not filled in yet."""
        return {
            name: messages
            for name, messages in self.all_errors.items()
            if name not in self or self[name].data or self[name].raw_data not in ([], [""], None)
        }


def _weights_file(text: str) -> Path:
    path = server_path(text, folder=False)
    if not path.name.endswith(WEIGHT_FILES):
        raise ValidationError(f"{text} is not a .caffemodel file.")
    return path
