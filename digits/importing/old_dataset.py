"""Import a dataset: labels, mean, lists and databases become a finished dataset job of ours.

In: a folder of the original DIGITS, or an unpacked archive of a model, which has labels and a mean
but no databases: pictures can be classified with it, but nothing can be trained on it.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import lmdb
from google.protobuf.message import DecodeError
from PIL import Image, UnidentifiedImageError

from digits.caffe.data.lmdb_file import require_whole
from digits.caffe.formats import wire
from digits.caffe.proto.caffe_pb2 import BlobProto, Datum
from digits.dataset.images.classification.job import MEAN_FILE, ImageClassificationDatasetJob
from digits.errors import ToolError
from digits.images import ResizeMode
from digits.importing.old_files import (
    discard,
    log_lines,
    read_info,
    save_ended,
    take_over,
)
from digits.importing.settings import dataset_settings
from digits.jobs.store import JobStore
from digits.sources.picture_list import LABELS_FILE, SPLITS, told_apart

_ENCODINGS = {"PNG": "png", "JPEG": "jpg"}


@dataclass(frozen=True)
class OldDataset:
    """What a dataset's files tell; sizes in pixels, `counts` pictures by category and split."""

    folder: Path
    channels: int
    height: int
    width: int
    resize_mode: str
    encoding: str = "none"
    counts: dict[str, dict[str, int]] = field(default_factory=dict)


def import_dataset(store: JobStore, old: OldDataset, name: str) -> ImageClassificationDatasetJob:
    """A finished job with the files of `old`.  Raises StorageError or OSError; nothing is left."""
    settings = dataset_settings(
        channels=old.channels,
        height=old.height,
        width=old.width,
        resize_mode=old.resize_mode,
        encoding=old.encoding,
        splits=old.counts,
        imported_from=old.folder.name,
    )
    job = cast(
        ImageClassificationDatasetJob, store.create(ImageClassificationDatasetJob, name, settings)
    )
    try:
        _take_files(old, job.dir)
        # Without a database there is nothing that a task could have made.
        splits = [split for split in SPLITS if split in old.counts]
        job.tasks = [job.database_task(s, []) for s in splits] if "train" in splits else []
        for task in job.tasks:
            split = task.id.rpartition("_")[2]
            counts = old.counts[split]
            told = f"{sum(counts.values())} pictures in {split}_db, imported."
            distribution = f"Distribution of {split}_db: {json.dumps(counts)}"
            task.log_path.write_text(log_lines([distribution, f"Done: {told}"]), "utf-8")
        save_ended(store, job, old.folder)
    except BaseException:
        discard(job)
        raise
    return job


def read_dataset(folder: Path, resize_mode: str | None = None) -> OldDataset:
    """What the files of a dataset tell; `resize_mode` stands in no file of the original.

    Raises ToolError when they do not tell enough.
    """
    labels = _labels(folder)
    databases = {
        split: folder / f"{split}_db"
        for split in SPLITS
        if (folder / f"{split}_db" / "data.mdb").is_file()
    }
    if "train" in databases:
        channels, height, width, encoding = _stored_pictures(databases["train"])
    else:
        databases = {}
        (channels, height, width), encoding = _mean_shape(folder / MEAN_FILE), "png"
    return OldDataset(
        folder=folder,
        channels=channels,
        height=height,
        width=width,
        resize_mode=resize_mode or _resize_mode(folder),
        encoding=encoding,
        counts={
            split: _named(_label_counts(database, folder / f"{split}.txt"), labels)
            for split, database in databases.items()
        },
    )


def _labels(folder: Path) -> list[str]:
    try:
        return told_apart((folder / LABELS_FILE).read_text("utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ToolError(f"{folder / LABELS_FILE} cannot be read: {error}.") from error


def _take_files(old: OldDataset, target: Path) -> None:
    lists = [f"{split}.txt" for split in SPLITS]
    for name in (LABELS_FILE, MEAN_FILE, "mean.jpg", *lists):
        if (old.folder / name).is_file():
            take_over(old.folder / name, target / name)
    for split in old.counts:
        take_over(old.folder / f"{split}_db/data.mdb", target / f"{split}_db/data.mdb")


def _stored_pictures(database: Path) -> tuple[int, int, int, str]:
    """Channels, height, width and encoding of a database's pictures, by its first one."""
    try:
        require_whole(database)
        with lmdb.open(str(database), readonly=True, lock=False) as env, env.begin() as reading:
            first = next(iter(reading.cursor()), None)
        datum = Datum.FromString(first[1] if first else b"")
        if not datum.encoded:
            shape = (datum.channels, datum.height, datum.width)
            encoding = "none"
        else:
            with Image.open(io.BytesIO(datum.data)) as picture:
                shape = (len(picture.getbands()), picture.height, picture.width)
                encoding = _ENCODINGS.get(picture.format or "", "png")
    except (lmdb.Error, DecodeError, UnidentifiedImageError, OSError, ValueError) as error:
        raise ToolError(f"{database} is no database of pictures: {error}.") from error
    if min(shape) < 1:
        raise ToolError(f"{database} has no pictures, or no sizes of pictures in it.")
    return *shape, encoding


def _mean_shape(path: Path) -> tuple[int, int, int]:
    """Channels, height and width of a mean."""
    try:
        blob = BlobProto.FromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise ToolError(
            f"There is no train_db beside {path.name}, and {path} cannot be read ({error}): "
            "nothing tells the size of the pictures."
        ) from error
    shape = tuple(blob.shape.dim)[-3:] or (blob.channels, blob.height, blob.width)
    if len(shape) != 3 or min(shape) < 1:
        raise ToolError(f"{path} is no mean of pictures: its shape is {shape}.")
    return shape[0], shape[1], shape[2]


def _resize_mode(folder: Path) -> str:
    """How pictures were resized, when an archive says so; `squash` is the original's default."""
    info = read_info(folder)
    image = info.get("image")
    said = image.get("resize_mode") if isinstance(image, dict) else info.get("image resize mode")
    return said if said in set(ResizeMode) else ResizeMode.SQUASH.value


def _label_counts(database: Path, list_path: Path) -> Counter[int]:
    """Pictures by label number; by the list when it has as many lines, else by looking at each."""
    try:
        require_whole(database)
    except (OSError, ValueError) as error:
        raise ToolError(f"{database} cannot be read: {error}.") from error
    with lmdb.open(str(database), readonly=True, lock=False) as env:
        entries = env.stat()["entries"]
        listed = _listed_labels(list_path)
        if listed.total() == entries:
            return listed
        with env.begin(buffers=True) as reading:
            return Counter(_label(value) for _, value in reading.cursor())


def _listed_labels(path: Path) -> Counter[int]:
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
        return Counter(int(line.rsplit(maxsplit=1)[1]) for line in lines if line.strip())
    except (OSError, ValueError, IndexError):
        return Counter()


def _label(record: memoryview) -> int:
    """The label of a serialized Datum, without a copy of its picture."""
    number = Datum.LABEL_FIELD_NUMBER
    return next((field.value for field in wire.fields(record) if field.number == number), 0)


def _named(counts: Counter[int], labels: list[str]) -> dict[str, int]:
    """Counts by the categories' names, in the order of the labels."""
    return {
        labels[number] if number < len(labels) else str(number): counts[number]
        for number in sorted(counts)
    }
