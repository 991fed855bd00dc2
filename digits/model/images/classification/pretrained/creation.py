"""Make a pretrained model: weights and a network, read, checked and tried out, and a job only then.

In: what the form says, or a folder that an archive was unpacked into.  Out: a job that is Done; or
FormError at the field that is wrong, StorageError or InferenceError, and nothing is left over.
All of it goes the way of an uploaded archive (`upload/creation.py`): the files lie as an archive
would have them, in a folder beside the jobs that goes when the request has ended.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.errors import FormError
from digits.inference import Pool
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.jobs.store import UPLOAD_PREFIX, JobStore
from digits.model.card import Card
from digits.model.images.classification.pretrained.job import PretrainedModelJob
from digits.model.images.classification.pretrained.settings import PretrainedModelSettings
from digits.model.images.classification.pretrained.weights import Weights
from digits.model.images.classification.upload.checking import check_classifies
from digits.model.images.classification.upload.creation import stage
from digits.model.images.classification.upload.info import ARCHIVE_FIELD
from digits.model.images.classification.upload.reading import Given
from digits.model.images.classification.upload.ready_made import imagenet_names
from digits.model.images.classification.upload.staged import StagedModel
from digits.model.job import DEPLOY_FILE, ORIGINAL_FILE
from digits.model.network import graph
from digits.model.network.errors import NetworkError
from digits.model.network.parsing import message_with_line, parse_given
from digits.model.network.text import clean_text, parse_network
from digits.model.network.trainable import has_loss
from digits.sources.picture_list import LABELS_FILE
from digits.tools.torchvision_networks import IMAGE_SIDE
from digits.tools.unpack_model import INFO_FILE, MEMBERS_FILE

IMAGENET_CLASSES = 1000
TORCHVISION_CARD = Card(
    source="A state_dict of torchvision.models.{}. If it is torchvision’s own: "
    "https://pytorch.org/vision/stable/models.html",
)


@dataclass(frozen=True)
class Wanted:
    """What the job shall be called, whose it is, and what its card says."""

    name: str = ""
    group: str = ""
    owner: str = ""
    card: Card = Card()


@dataclass(frozen=True)
class Described:
    """What the form says of the network and its pictures; None and empty: as usual."""

    network: str = ""  # the text of model_def_file
    labels: str | None = None
    channels: int = 3
    width: int | None = None
    height: int | None = None
    resize_mode: str = ""


@contextmanager
def working_folder(store: JobStore) -> Iterator[Path]:
    """A folder beside the jobs; it goes when the block ends, or when the server starts again."""
    store.require_room()
    with (
        store.writing(),
        tempfile.TemporaryDirectory(dir=store.jobs_dir, prefix=UPLOAD_PREFIX) as folder,
    ):
        yield Path(folder)


def create_pretrained_model(
    scheduler: Scheduler,
    pool: Pool,
    folder: Path,
    weights: Weights,
    name_of_weights: str,
    described: Described,
    wanted: Wanted,
    names_file: Path,
    *,
    python_layers: bool = False,
) -> Job:
    """The job, Done, of weights that lie in `folder`; `names_file` has the names of ImageNet's."""
    info: dict[str, Any] = {"name": wanted.name, "framework": "caffe"}
    if weights.network is not None:
        text, labels = _of_torchvision(weights, described, names_file, info)
        wanted = replace(wanted, card=wanted.card.or_else(_torchvision_card(weights)))
        files = {ORIGINAL_FILE: text}
    else:
        files, labels = _given(pool, described)
        sizes = {"width": described.width, "height": described.height}
        info["image"] = {"channels": described.channels, "resize_mode": described.resize_mode}
        info["image"] |= {name: size for name, size in sizes.items() if size}
    if labels is not None:
        files[LABELS_FILE] = labels
    files[INFO_FILE] = json.dumps(info, indent=1) + "\n"
    for name, content in files.items():
        (folder / name).write_text(content, "utf-8")
    members = json.dumps(sorted([*files, weights.path.name]))
    (folder / MEMBERS_FILE).write_text(members, "utf-8")
    try:
        staged = stage(pool, folder, name_of_weights, Given(), python_layers=python_layers)
        check_classifies(pool, staged.network())
    except FormError as error:
        raise _at_its_field(error, weights, name_of_weights) from error
    return add(
        scheduler,
        staged,
        wanted,
        torchvision_network=weights.network.name if weights.network else "",
        has_labels=labels is not None and labels != _numbers(len(labels.splitlines())),
    )


def add(
    scheduler: Scheduler,
    staged: StagedModel,
    wanted: Wanted,
    *,
    torchvision_network: str = "",
    has_labels: bool = True,
) -> Job:
    """The job of what has been checked; it takes the files out of their folder."""
    settings = PretrainedModelSettings.from_json(
        {
            **staged.settings().to_json(),
            "card": wanted.card.to_json(),
            "torchvision_network": torchvision_network,
            "has_labels": has_labels,
        }
    )
    return scheduler.add_job(
        PretrainedModelJob,
        wanted.name or staged.name,
        settings,
        staged.move_to,
        owner=wanted.owner,
        group=wanted.group or staged.group,
        is_done=True,
    )


# Networks -----------------------------------------------------------------------------------------


def _of_torchvision(
    weights: Weights, described: Described, names_file: Path, info: dict[str, Any]
) -> tuple[str, str | None]:
    """The text of the network and of its labels; what its pictures are like goes into `info`."""
    if described.network:
        message = (
            "DIGITS brings the network of a state_dict along. Leave this empty, or give weights "
            "of Caffe."
        )
        raise FormError({"model_def_file": [message]})
    if described.channels != 3:
        message = "Networks of torchvision learned from pictures in color."
        raise FormError({"image_type": [message]})
    network = weights.network
    assert network is not None  # noqa: S101  # the caller looked
    text = network.text()
    if weights.classes != IMAGENET_CLASSES:
        text = _with_classes(text, weights.classes)
    transform = graph.transform_in_test(parse_network(text))
    info["image"] = {
        "width": described.width or IMAGE_SIDE,
        "height": described.height or IMAGE_SIDE,
        "channels": 3,
        "resize_mode": described.resize_mode or "crop",
    }
    info["transform"] = {
        "mean_values": [float(f"{value:.7g}") for value in transform.mean_value],
        "scale": transform.scale,
    }
    labels = described.labels
    if labels is None and weights.classes == IMAGENET_CLASSES:
        labels = _imagenet_labels(names_file)
    if labels is None:
        labels = _numbers(weights.classes)
    return text, labels


def _with_classes(text: str, classes: int) -> str:
    """The network with another number of outputs in its last layer with weights."""
    head, mark, end = text.rpartition(f"num_output: {IMAGENET_CLASSES}\n")
    return f"{head}{mark.replace(str(IMAGENET_CLASSES), str(classes))}{end}"


def _imagenet_labels(names_file: Path) -> str | None:
    try:
        return "".join(f"{name}\n" for name in imagenet_names(names_file))
    except FormError:  # the package is not installed: numbers will do
        return None


def _torchvision_card(weights: Weights) -> Card:
    name = weights.network.name if weights.network else ""
    return replace(TORCHVISION_CARD, source=TORCHVISION_CARD.source.format(name))


def _given(pool: Pool, described: Described) -> tuple[dict[str, str], str | None]:
    """The files of a network that came with the form, and the text of its labels."""
    if not described.network.strip():
        message = (
            "Missing model definition file. Weights of Caffe need the network that they are of, "
            "as prototxt."
        )
        raise FormError({"model_def_file": [message]})
    text = clean_text(described.network)
    try:
        net = parse_given(pool, text)
    except NetworkError as error:
        raise FormError({"model_def_file": [message_with_line(error, text)]}) from error
    labels = described.labels
    if not has_loss(net):
        return {DEPLOY_FILE: text}, labels
    if labels is None:
        labels = _numbers(_outputs(net))
    return {ORIGINAL_FILE: text}, labels


def _numbers(count: int) -> str:
    """Labels for categories that nobody named."""
    return "".join(f"{number}\n" for number in range(count))


def _outputs(net: NetParameter) -> int:
    """How many categories a network tells apart; FormError when it does not say."""
    layers = graph.head_layers(net)
    last = layers[-1] if layers else None
    field = None
    if last is not None and last.type in graph.WITH_OUTPUT_COUNT:
        is_full = last.type == "InnerProduct"
        field = last.inner_product_param if is_full else last.convolution_param
    if field is None or field.num_output < 2:
        message = (
            "The network does not say how many categories it tells apart (num_output of its last "
            "layer). Give a file with a label for each."
        )
        raise FormError({"labels_file": [message]})
    return field.num_output


def _at_its_field(error: FormError, weights: Weights, shown: str) -> FormError:
    """What is wrong with an archive, at the fields of this form, by the file's own name."""
    found: dict[str, list[str]] = {}
    name = weights.path.name
    for field, messages in error.errors.items():
        for message in messages:
            place = field
            if field == ARCHIVE_FIELD:
                place = weights.field if name in message else "model_def_file"
            found.setdefault(place, []).append(message.replace(name, shown))
    return FormError(found)
