"""What the networks that a form offers are made for, and which of them do not fit a dataset.

In: the standard networks, earlier models, the text of a custom network; a dataset.  Out: notes for
the form's lists, and what a check says of sizes.
Elsewhere: the sentences (`model/network/fit.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from digits.base.job_files import read_beginning, read_text
from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError, NotPossible, TaskFailed
from digits.inference import InferenceError, NetSource, Pool, check_network
from digits.inference.operations import NetProblem
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.picture_facts import PictureFacts
from digits.model.images.classification.settings import ImageClassificationModelSettings as Settings
from digits.model.job import DEPLOY_FILE, ORIGINAL_FILE
from digits.model.network import graph
from digits.model.network.errors import NetworkError
from digits.model.network.fit import (
    MadeFor,
    Pictures,
    cannot_be_trained,
    is_too_small,
    list_note,
    other_pictures,
    size_warning,
    wrong_colors,
)
from digits.model.network.text import STANDARD_NETWORKS, network_to_text, parse_network
from digits.model.network.training import Networks
from digits.tools.torchvision_networks import TITLES

# The input stands at the head of a deploy file: no need to parse 40 kB of a GoogLeNet.
HEAD_BYTES = 4096
# So many pictures teach a network from nothing well enough.
FEW_PICTURES = 5000
# Only a short network has nothing but its classifier.
SHORT_BYTES = 16 * 1024
NOTHING_KEPT = (
    "Its classifier was trained for other categories, and no other layer has weights: nothing of "
    "them can be used."
)


def pictures_of(facts: PictureFacts) -> Pictures:
    """The pictures of a dataset, whether it is there yet or not, or of a model."""
    return Pictures(facts.width, facts.height, facts.channels)


def seen_by(model: ImageClassificationModelJob) -> Pictures | None:
    """The pictures as a trained network sees them; None when its files do not say."""
    try:
        head = read_beginning(model.dir / DEPLOY_FILE, HEAD_BYTES)
    except OSError:
        return None
    dims = [int(number[:9]) for number in re.findall(r"\b(?:dim|input_dim)\s*:\s*(\d+)", head)[:4]]
    return Pictures(dims[3], dims[2], dims[1]) if len(dims) == 4 else None


def has_own_input(model: ImageClassificationModelJob) -> bool:
    """Whether the network of an earlier model has a mean and a scale that its weights need."""
    titles = {n.title for n in STANDARD_NETWORKS.values() if n.is_pretrained}
    return model.network_name in titles | TITLES


def made_for_by_model(model: ImageClassificationModelJob) -> MadeFor | None:
    """What an earlier model's network is made for: pictures like those that it learned from."""
    seen = seen_by(model)
    if seen is None:
        return None
    try:
        image_side = pictures_of(model.pictures).side
    except TaskFailed:
        image_side = seen.side
    title = f"The network of {model.name}"
    return MadeFor(title, seen.side, image_side, is_cropped=seen.side < image_side)


def made_for_by_text(net: NetParameter) -> MadeFor | None:
    """What a custom network is made for; None when it does not say."""
    side = graph.input_side(net)
    is_cropped = any(layer.transform_param.crop_size for layer in net.layer)
    return MadeFor("The network", side, side, is_cropped) if side else None


@dataclass(frozen=True)
class SizeCheck:
    """The size of a dataset's pictures against that of a network; `made_for` None: not known."""

    dataset: Pictures
    crop_size: int | None
    made_for: MadeFor | None
    seen: Pictures | None = None  # by a previous model, whose weights are taken

    def require_possible(self, field: str) -> None:
        """FormError when the network is known not to be possible for these pictures."""
        if self.made_for and (reason := wrong_colors(self.made_for, self.dataset)):
            raise FormError({field: [reason]})
        if self.made_for and (self.crop_size or self.dataset.side) < self.made_for.smallest:
            raise FormError({self._field(field): [self._too_small(self.made_for)]})

    def warning(self) -> str:
        """What is unusual about the size; empty when nothing is."""
        return size_warning(self.made_for, self.dataset, self.crop_size) if self.made_for else ""

    def refuse(
        self,
        pool: Pool,
        problems: Sequence[NetProblem],
        networks: Networks,
        field: str,
        timeout_s: float,
    ) -> None:
        """FormError with one sentence when the size is why a network cannot be built."""
        _, channels, height, width = networks.deploy.input_shape[0].dim
        given = Pictures(width, height, channels)
        of_weights = all(problem.net == "weights" for problem in problems)
        if of_weights and self.seen is not None and self.made_for and self.seen != given:
            raise FormError({field: [other_pictures(self.made_for.title, self.seen, given)]})
        made_for = self.made_for
        if made_for is None or not is_too_small(made_for, self.dataset, self.crop_size):
            return
        if of_weights or self._is_built_at(pool, networks.deploy, made_for.side, timeout_s):
            raise FormError({self._field(field): [self._too_small(made_for)]})

    def _field(self, field: str) -> str:
        is_cropped = self.crop_size and self.crop_size < self.dataset.side
        return "crop_size" if is_cropped else field

    def _too_small(self, made_for: MadeFor) -> str:
        return cannot_be_trained(made_for, self.dataset, self.crop_size)

    def _is_built_at(self, pool: Pool, deploy: NetParameter, side: int, timeout_s: float) -> bool:
        """Whether the network can be built for pictures of its own size."""
        net = NetParameter()
        net.CopyFrom(deploy)
        net.input_shape[0].dim[2:] = [side, side]
        try:
            source = NetSource(network_to_text(net), "deploy")
            return check_network(pool, [source], timeout_s=timeout_s).ok
        except InferenceError:
            return False


def standard_notes(dataset: ImageClassificationDatasetJob) -> dict[str, str]:
    """Why a standard network does not fit a dataset, by the networks' names."""
    pictures = pictures_of(dataset)
    notes = {
        network.name: list_note(network.made_for_pictures(pictures.side), pictures)
        for network in STANDARD_NETWORKS.values()
    }
    return {name: note for name, note in notes.items() if note}


@dataclass(frozen=True)
class Preselected:
    """The standard network that the form offers first for a dataset, and why if it says so."""

    network: str
    reason: str = ""


def preselected_network(dataset: ImageClassificationDatasetJob) -> Preselected:
    """One with weights for few pictures that it fits, else the first that begins from nothing."""
    pictures, count = pictures_of(dataset), dataset.picture_count("train")
    for network in STANDARD_NETWORKS.values():
        made_for = network.made_for_pictures(pictures.side)
        fits = pictures.side >= made_for.side and not wrong_colors(made_for, pictures)
        if network.is_pretrained and fits and 0 < count < FEW_PICTURES:
            return Preselected(
                network.name,
                f"{network.title} is selected because it begins with weights: from "
                f"{count:,} pictures, a network that begins with nothing learns little.",
            )
    return Preselected(first_that_fits(dataset))


def first_that_fits(dataset: ImageClassificationDatasetJob) -> str:
    """The first standard network without weights that fits a dataset, by its name.

    Where none does, the default, or the first one that can be built.
    """
    notes, side = standard_notes(dataset), pictures_of(dataset).side
    bare = [name for name, network in STANDARD_NETWORKS.items() if not network.is_pretrained]
    fitting = [name for name in bare if name not in notes]
    default_first = sorted(bare, key=lambda name: name != Settings.standard_networks)
    possible = [n for n in default_first if side >= STANDARD_NETWORKS[n].made_for.smallest]
    return [*fitting, *possible, Settings.standard_networks][0]


def previous_notes(
    models: Iterable[ImageClassificationModelJob], dataset: ImageClassificationDatasetJob
) -> dict[str, str]:
    """Why earlier models do not fit a dataset, by their ids."""
    labels = dataset.labels()
    notes = {
        model.id: " ".join(
            filter(None, [_other_size(model, dataset), _nothing_kept(model, labels)])
        )
        for model in models
    }
    return {model_id: note for model_id, note in notes.items() if note}


def _other_size(model: ImageClassificationModelJob, dataset: ImageClassificationDatasetJob) -> str:
    seen, made_for, pictures = seen_by(model), made_for_by_model(model), pictures_of(dataset)
    if seen is None or made_for is None:
        return ""
    given = pictures
    if made_for.is_cropped:
        side = min(seen.side, pictures.side)
        given = Pictures(side, side, pictures.channels)
    if given == seen:
        return ""
    return f"Made for pictures of {seen.words}; this dataset gives it {given.words}."


def _nothing_kept(model: ImageClassificationModelJob, labels: Sequence[str]) -> str:
    try:
        if not labels or model.pictures.labels() == list(labels):
            return ""
        path = model.dir / ORIGINAL_FILE
        status = path.stat()
        if status.st_size > SHORT_BYTES:
            return ""
        return NOTHING_KEPT if _is_classifier_only(path, status.st_mtime_ns) else ""
    except (TaskFailed, NotPossible, OSError, UnicodeDecodeError):
        return ""


@lru_cache(maxsize=512)
def _is_classifier_only(path: Path, changed_ns: int) -> bool:
    """Whether all layers with weights of the network in a file end in an output."""
    try:
        net = parse_network(read_text(path))
    except NetworkError:
        return False
    heads = {layer.name for layer in graph.head_layers(net)}
    return all(
        layer.name in heads for layer in net.layer if layer.type in graph.WITH_WEIGHTS
    ) and bool(heads)
