"""What the files of an archive tell of a model: its networks, its solver, how pictures are made.

In: the files (`contents.py`), what info.json says, what the form says besides, which stands above
both.  Out: a `ReadModel`, or FormError at the archive's field.  Files are only read as text;
whether the network can be built, and takes the weights, is asked elsewhere (`checking.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from digits.caffe.data.augmentation import Augmentation
from digits.caffe.errors import CaffeError
from digits.caffe.formats import upgrade
from digits.caffe.proto.caffe_pb2 import (
    BlobProto,
    NetParameter,
    SolverParameter,
    TransformationParameter,
)
from digits.errors import FormError, TaskFailed
from digits.images import MAX_SIDE, ResizeMode
from digits.inference import Pool
from digits.model.images.classification.training_files import mean_pixel
from digits.model.images.classification.upload.contents import Contents
from digits.model.images.classification.upload.info import IMAGE, NONE, PIXEL, Info, refused
from digits.model.job import DEPLOY_FILE
from digits.model.network import graph
from digits.model.network.errors import NetworkError
from digits.model.network.parsing import message_with_line, parse_given
from digits.model.network.text import (
    MAX_TEXT_BYTES,
    clean_text,
    network_to_text,
    parse_network,
)
from digits.model.network.trainable import with_loss
from digits.model.network.training import (
    DatasetFacts,
    NetworkOptions,
    as_given,
    make_networks,
)
from digits.sources.picture_list import LABELS_FILE

MOST_LABEL_BYTES = 16 << 20
NO_SIZE = (
    "The archive does not say how large the pictures are that the network learned from. Give width "
    "and height."
)


@dataclass(frozen=True)
class Given:
    """What the form says besides; None and empty: as the archive has it."""

    labels: str | None = None  # the text of a labels file
    width: int | None = None
    height: int | None = None
    resize_mode: str = ""
    mean_value: tuple[float, ...] = ()


@dataclass(frozen=True)
class NetText:
    """A network of the archive: its text, and what it says."""

    text: str
    net: NetParameter


@dataclass(frozen=True)
class Size:
    """The pictures that the network learned from, before its crop."""

    width: int
    height: int
    channels: int


@dataclass(frozen=True)
class Treatment:
    """What is done to pictures before the network sees them; `mean` is none, image or pixel."""

    mean: str
    mean_values: tuple[float, ...]
    scale: float
    scale_in_deploy: bool


@dataclass(frozen=True)
class ReadModel:
    """What is known of a model before its network is built; `labels` None: they are numbers."""

    deploy: NetText
    train_val: NetText | None
    original: str  # what another training begins with
    solver: SolverParameter | None
    augmentation: Augmentation
    labels: list[str] | None
    size: Size
    resize_mode: str
    treatment: Treatment

    @property
    def transform(self) -> TransformationParameter:
        """What the network of the training does to pictures."""
        return (
            graph.transform_in_test(self.train_val.net)
            if self.train_val
            else TransformationParameter()
        )


def read_model(
    pool: Pool, contents: Contents, info: Info, given: Given, *, python_layers: bool
) -> ReadModel:
    """What the files tell; FormError for one that cannot be used, or that is missing."""
    train_val = _net(pool, contents.train_val, python_layers)
    original = _net(pool, contents.original, python_layers)
    labels = _labels(contents.labels, given)
    deploy = _net(pool, contents.deploy, python_layers)
    shape = input_of(deploy.net) if deploy else None
    size = _size(contents, info, given, shape)
    if deploy is None:
        deploy = _made(original or train_val, size, labels)
    treatment = _treatment(contents, info, given, train_val, size)
    return ReadModel(
        deploy=deploy,
        train_val=train_val,
        original=_to_begin_with(original, train_val, deploy),
        solver=_solver(contents.solver),
        augmentation=_augmentation(contents.augmentation),
        labels=labels,
        size=size,
        resize_mode=given.resize_mode or info.resize_mode or ResizeMode.SQUASH.value,
        treatment=treatment,
    )


# Networks -----------------------------------------------------------------------------------------


def _net(pool: Pool, path: Path | None, python_layers: bool) -> NetText | None:
    if path is None:
        return None
    text = clean_text(_text(path, MAX_TEXT_BYTES))
    try:
        net = parse_given(pool, text)
    except NetworkError as error:
        raise refused(f"{path.name}: {message_with_line(error, text)}") from error
    for layer in net.layer:
        if layer.type == "Python" and not python_layers:
            raise refused(
                f"{path.name}: the layer {layer.name!r} has the type Python, which runs code of "
                "the server. Such models are taken where the setting python_layers allows them; "
                "ask whoever runs the server."
            )
    return NetText(text, net)


def input_of(deploy: NetParameter) -> tuple[str, tuple[int, ...]] | None:
    """The input of a deployed network and its shape; None where it has none of four dimensions."""
    for layer in deploy.layer:
        shapes = layer.input_param.shape
        if layer.type == "Input" and layer.top and shapes and len(shapes[0].dim) == 4:
            return layer.top[0], tuple(shapes[0].dim)
    return None


def _made(network: NetText | None, size: Size, labels: list[str] | None) -> NetText:
    """The network that classifies, made of the one that was trained."""
    if network is None or not labels:
        raise refused(
            f"There is no {DEPLOY_FILE} in the archive, the network that classifies. It can be "
            f"made of the network that was trained when {LABELS_FILE} says what it tells apart."
        )
    facts = DatasetFacts(
        labels=len(labels),
        channels=size.channels,
        height=size.height,
        width=size.width,
        train_db="train_db",
        val_db=None,
        mean_file="mean.binaryproto",
    )
    try:
        net = make_networks(network.net, facts, NetworkOptions(python_layers=True)).deploy
    except (NetworkError, FormError) as error:
        raise refused(f"{DEPLOY_FILE} is missing, and cannot be made: {error}") from error
    text = network_to_text(net)
    return NetText(text, parse_network(text))


def _to_begin_with(original: NetText | None, train_val: NetText | None, deploy: NetText) -> str:
    """The text of the network that another training begins with."""
    if original is not None:
        return original.text
    if train_val is not None:
        return network_to_text(as_given(train_val.net))
    try:
        return network_to_text(with_loss(deploy.net))
    except NetworkError:
        return deploy.text  # why it cannot be trained is said to whoever tries


def _solver(path: Path | None) -> SolverParameter | None:
    if path is None:
        return None
    _text(path, MAX_TEXT_BYTES)
    try:
        return upgrade.read_solver(path)
    except (CaffeError, OSError) as error:
        message = str(error).replace(str(path), path.name)
        raise refused(f"{path.name} is no solver: {message}") from error


def _augmentation(path: Path | None) -> Augmentation:
    if path is None:
        return Augmentation()
    try:
        return Augmentation.from_text(_text(path, MAX_TEXT_BYTES))
    except CaffeError as error:
        raise refused(f"{path.name} cannot be used: {error}") from error


# Pictures -----------------------------------------------------------------------------------------


def _size(
    contents: Contents, info: Info, given: Given, seen: tuple[str, tuple[int, ...]] | None
) -> Size:
    """The form, info.json, the mean picture and the network's input are asked, in this order."""
    channels, height, width = _mean_shape(contents.mean) or (None, None, None)
    if seen is not None:
        _, (_, of_input, rows, columns) = seen
        channels, height, width = of_input, height or rows, width or columns
    size = (
        given.width or info.width or width,
        given.height or info.height or height,
        info.channels or channels,
    )
    if size[0] is None or size[1] is None or size[2] is None:
        raise FormError({"width": [NO_SIZE]})
    if size[2] not in (1, 3):
        raise refused(
            f"The network looks at pictures of {size[2]} channels; they must have 1 (grayscale) or "
            "3 (color)."
        )
    if not (1 <= size[0] <= MAX_SIDE and 1 <= size[1] <= MAX_SIDE):
        raise refused(f"Pictures of {size[0]} x {size[1]} pixels cannot be made.")
    return Size(size[0], size[1], size[2])


def _mean_shape(path: Path | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    blob = read_mean(path)
    shape = tuple(blob.shape.dim)[-3:] or (blob.channels, blob.height, blob.width)
    if len(shape) != 3 or min(shape) < 1:
        raise refused(f"{path.name} is no mean of pictures: its shape is {shape}.")
    return shape[0], shape[1], shape[2]


def read_mean(path: Path) -> BlobProto:
    """A mean picture; FormError for what is none."""
    try:
        return BlobProto.FromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise refused(f"{path.name} cannot be read: {error}.") from error


def _treatment(
    contents: Contents, info: Info, given: Given, train_val: NetText | None, size: Size
) -> Treatment:
    transform = graph.transform_in_test(train_val.net) if train_val else None
    scale = info.scale
    if scale is None:
        scale = transform.scale if transform else 1.0
    if given.mean_value:
        mean, values = PIXEL, given.mean_value
    else:
        mean = info.mean or _mean_of(transform, contents)
        values = info.mean_values or (tuple(transform.mean_value) if transform else ())
    if mean == IMAGE and contents.mean is None:
        raise refused(
            "A mean picture is subtracted, but the archive holds no mean.binaryproto. Put it in, "
            "or give the mean's values here."
        )
    if mean == PIXEL and not values:
        values = _pixel(contents.mean, size.channels)
    if len(values) not in (0, 1, size.channels):
        raise FormError(
            {
                "mean_value" if given.mean_value else "archive": [
                    f"There are {len(values)} mean values for {size.channels} channels. Give one "
                    "for all, or one for each."
                ]
            }
        )
    return Treatment(
        mean, values if mean == PIXEL else (), scale, info.scale_in_deploy and scale != 1
    )


def _mean_of(transform: TransformationParameter | None, contents: Contents) -> str:
    if transform is None:
        return IMAGE if contents.mean else NONE
    if transform.mean_value:
        return PIXEL
    return IMAGE if transform.HasField("mean_file") else NONE


def _pixel(path: Path | None, channels: int) -> tuple[float, ...]:
    if path is None:
        raise refused(
            "A mean pixel is subtracted, but neither the networks nor a mean.binaryproto say "
            "which. Give the mean's values here."
        )
    try:
        return mean_pixel(path, channels)
    except TaskFailed as error:
        raise refused(str(error)) from error


# Texts --------------------------------------------------------------------------------------------


def _labels(path: Path | None, given: Given) -> list[str] | None:
    if given.labels is not None:
        return _lines(given.labels, "labels_file")
    if path is None:
        return None
    return _lines(_text(path, MOST_LABEL_BYTES), "archive")


def _lines(text: str, field: str) -> list[str]:
    """A label a line; what is left blank at the end is none."""
    lines = [line.strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if not lines or not all(lines):
        message = "The labels are empty." if not lines else "A line of the labels is empty."
        raise FormError({field: [f"{message} {LABELS_FILE} has the name of a category on each."]})
    if not all(line.isprintable() for line in lines):
        raise FormError({field: ["The labels contain characters that cannot be displayed."]})
    return lines


def _text(path: Path, most_bytes: int) -> str:
    if path.stat().st_size > most_bytes:
        raise refused(f"{path.name} has more than {most_bytes:,} bytes.")
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refused(f"{path.name} is not UTF-8 text.") from error
