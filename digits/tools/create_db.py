"""Make a database that Caffe reads from a list of pictures.

LIST has a picture a line, `path label`; a path may be a URL.  DB is the folder to make: an LMDB
(backend lmdb) or HDF5 files with their list (hdf5).  An existing DB is replaced as a whole once
everything is ready; a folder that holds anything else is not touched.  Pictures that cannot be read
are left out, named with the reason in the log and in skipped.txt beside DB.  The mean is that of
the pictures as they are stored, equal to what Caffe's compute_image_mean makes of the database.

  python -m digits.tools.create_db train.txt train_db --width 256 --height 256 --shuffle --seed 7 \\
      --labels labels.txt --mean mean.binaryproto --mean mean.jpg
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.base.program import parser_for, run_program
from digits.base.progress import ProgressMeter, counted, log, log_distribution, log_skipped
from digits.errors import ToolError
from digits.images import Encoding, ResizeMode
from digits.images.levels import joined
from digits.images.resize import check_size
from digits.sources.folders import check_folder
from digits.sources.paths import PathPolicy, add_path_options, policy_of
from digits.sources.picture_list import PictureList, read_labels
from digits.sources.record_index import RecordIndexWriter
from digits.sources.url_policy import ANYWHERE, UrlPolicy
from digits.tools.building import building
from digits.tools.databases import DatabaseWriter, LmdbWriter, is_database_file
from digits.tools.mean import MeanPicture, check_mean_path
from digits.tools.memory import keep_freed_memory
from digits.tools.record_worker import RecordSpec
from digits.tools.records import RecordMaker, Records, cores
from digits.tools.skipped import SkippedPicture, write_skipped
from digits.tools.value_range import (
    RANGE_FILE,
    WHOLE,
    Range,
    ValueRange,
    find_range,
    read_range,
    warn_of_few_values,
    write_range,
)

MAX_SKIPPED_SHARE = 0.5


class Backend(StrEnum):
    LMDB = "lmdb"
    HDF5 = "hdf5"


@dataclass(frozen=True)
class Order:
    """What to make, as the command line says it."""

    list_path: Path
    database: Path
    height: int
    width: int
    channels: int = 3
    mode: ResizeMode = ResizeMode.SQUASH
    encoding: Encoding = Encoding.PNG
    backend: Backend = Backend.LMDB
    folder: Path | None = None
    labels: Path | None = None
    shuffle: bool = False
    seed: int = 0
    means: tuple[Path, ...] = ()
    max_skipped_share: float = MAX_SKIPPED_SHARE
    paths: PathPolicy = field(default_factory=PathPolicy)
    urls: UrlPolicy = ANYWHERE  # where pictures may be fetched from
    workers: int = field(default_factory=cores)
    # Which 16-bit values become black and white; `find_range`: those of these pictures, else those
    # that are kept beside the database, else all.
    value_range: ValueRange = ValueRange.FULL
    find_range: bool = False
    if_listed: bool = False  # without a list nothing is made, and that is no error

    def check(self) -> None:
        """Raises ImageError or ToolError for what can be told without the pictures."""
        check_size(self.height, self.width, self.channels)
        for path in self.means:
            check_mean_path(path)
        if not 0 <= self.max_skipped_share <= 1:
            raise ToolError(
                f"The share of skipped pictures must be 0 to 1, not {self.max_skipped_share:g}."
            )
        if self.seed < 0:
            raise ToolError(f"The seed must be 0 or more, not {self.seed}.")
        if self.workers < 1:
            raise ToolError(f"There must be 1 worker or more, not {self.workers}.")

    def levels(self, pictures: PictureList) -> Range:
        """The 16-bit values that become black and white."""
        folder = self.database.absolute().parent
        if self.value_range is ValueRange.FULL:
            return WHOLE
        if not self.find_range:
            return read_range(folder)
        found = find_range(pictures, len(pictures), self.paths, self.urls, self.workers)
        write_range(folder, found)
        return found

    def record_spec(self, levels: Range = WHOLE) -> RecordSpec:
        to_lmdb = self.backend is Backend.LMDB
        return RecordSpec(
            self.height,
            self.width,
            self.channels,
            self.mode,
            self.encoding if to_lmdb else Encoding.NONE,
            as_datum=to_lmdb,
            with_sum=bool(self.means),
            paths=self.paths,
            levels=levels,
        )


def create_db(order: Order) -> str:
    """Make the database and the means; answers what was made, in words.

    Raises ToolError, ImageError or OSError; then nothing was changed.
    """
    order.check()
    if order.if_listed and not order.list_path.exists():
        return f"there are no pictures for {order.database.name}."
    if order.folder is not None:
        check_folder(order.folder)
    labels = read_labels(order.labels) if order.labels else None
    pictures = PictureList(order.list_path, order.folder, len(labels) if labels else None)
    categories = counted(len(pictures.label_counts), "category", "categories")
    log.info("%s of %s.", counted(len(pictures), "picture"), categories)
    result = _Result(len(pictures), order)
    levels = order.levels(pictures)
    spec = order.record_spec(levels)
    maker = RecordMaker(spec, order.workers, pictures[0], len(pictures), order.urls)
    with closing(maker), building(order.database, is_database_file) as folder:
        numbers = _in_order(pictures, order)
        with (
            closing(_writer(order, folder, len(pictures))) as writer,
            RecordIndexWriter(folder) as index,
        ):
            for records in maker.make(pictures[number] for number in numbers):
                result.take(records)
                writer.add(records.records, records.labels)
                lines = [pictures.line_at(numbers[number]) for number in records.numbers]
                index.add(lines, records.labels)
            result.finish()
            writer.finish()
        for path in order.means:
            result.mean.write(path)
    write_skipped(order.database.absolute().parent, order.database.name, result.skipped)
    _report_categories(order.database.name, labels, pictures.label_counts, result.counts)
    warn_of_few_values(result.wide, result.seen, levels)
    skipped = len(result.skipped)
    made = counted(result.counts.total(), "picture")
    return f"{made} in {order.database.name}, {skipped} skipped."


class _Result:
    """What has come out so far."""

    def __init__(self, expected: int, order: Order) -> None:
        self.mean = MeanPicture(order.height, order.width, order.channels)
        self.counts: Counter[int] = Counter()  # label -> pictures
        self.skipped: list[SkippedPicture] = []
        self.wide = 0  # pictures with 16 bits
        self.seen: Range | None = None  # the range of their values
        self._expected = expected
        self._most_skipped_share = order.max_skipped_share
        self._meter = ProgressMeter("pictures", expected)

    def take(self, records: Records) -> None:
        """Count a batch.  Raises ToolError once too many pictures had to be skipped."""
        for picture in records.skipped:
            log_skipped(picture.path, picture.reason)
        self.skipped.extend(records.skipped)
        self.counts.update(records.labels)
        self.wide += records.wide
        self.seen = joined(self.seen, records.seen)
        if records.total is not None:
            self.mean.add(records.total, len(records.records))
        self._meter.add(len(records.records) + len(records.skipped))
        most = self._most_skipped_share * self._expected
        if len(self.skipped) > most:
            raise ToolError(
                f"{len(self.skipped)} of {self._expected} pictures cannot be used; at most "
                f"{int(most)} ({100 * self._most_skipped_share:.4g}%) may be left out. "
                f"{self._first_skipped()} Repair them, or allow more to be left out."
            )

    def finish(self) -> None:
        """Raises ToolError when there is no picture at all."""
        self._meter.finish()
        if not self.counts:
            raise ToolError(f"None of the pictures can be used. {self._first_skipped()}")

    def _first_skipped(self) -> str:
        return f"The first: {self.skipped[0].path}: {self.skipped[0].reason}."


def _in_order(pictures: PictureList, order: Order) -> range | NDArray[np.int64]:
    """The numbers of the pictures in the order in which they are stored."""
    if not order.shuffle:
        return range(len(pictures))
    log.info("Shuffling with seed %d.", order.seed)
    random = np.random.Generator(np.random.PCG64(order.seed))
    return random.permutation(len(pictures))


def _writer(order: Order, folder: Path, pictures: int) -> DatabaseWriter:
    if order.backend is Backend.HDF5:
        # Late: other databases do not need what HDF5 takes to load.
        from digits.tools.hdf5_writer import Hdf5Writer  # noqa: PLC0415

        shape = (order.channels, order.height, order.width)
        return Hdf5Writer(folder, order.database, shape)
    return LmdbWriter(folder, order.record_spec().largest_record_bytes, pictures)


def _report_categories(
    name: str, labels: list[str] | None, asked: Mapping[int, int], written: Mapping[int, int]
) -> None:
    """Log how many pictures each category has got, and which have lost all."""
    names = dict(enumerate(labels)) if labels else {label: str(label) for label in sorted(asked)}
    lost = [names[label] for label in sorted(asked) if not written.get(label)]
    if lost:
        shown = ", ".join(map(repr, lost[:10])) + (", ..." if len(lost) > 10 else "")
        log.warning("No picture could be read of these categories: %s.", shown)
    log_distribution(name, {names[label]: written.get(label, 0) for label in names})


def _arguments() -> argparse.Namespace:
    parser = parser_for(__doc__, "create_db")
    add = parser.add_argument
    add("list", metavar="LIST", type=Path, help="a picture a line, `path label`")
    add("database", metavar="DB", type=Path, help="the folder to make or replace")
    add("--width", type=int, required=True, help="pixels")
    add("--height", type=int, required=True, help="pixels")
    add("--channels", type=int, default=3, help="3 (color) or 1 (grayscale) [3]")
    for name, kind, default in (
        ("--mode", ResizeMode, ResizeMode.SQUASH),
        ("--encoding", Encoding, Encoding.PNG),
        ("--backend", Backend, Backend.LMDB),
    ):
        add(
            name,
            choices=[str(choice) for choice in kind],
            default=str(default),
            help=f"[{default}]",
        )
    ranges = [str(choice) for choice in ValueRange]
    add(
        "--value-range",
        choices=ranges,
        default="full",
        help="16-bit values that become black to white: all, or those seen [full]",
    )
    add(
        "--find-range",
        action="store_true",
        help=f"look for the range seen in these pictures, and keep it as {RANGE_FILE} beside DB, "
        "where other databases find it",
    )
    add("--if-listed", action="store_true", help="without LIST make nothing, and succeed")
    add("--folder", type=Path, help="where relative paths of the list begin")
    add("--labels", type=Path, help="labels.txt, to check the labels and to name them in the log")
    add("--shuffle", action="store_true", help="store the pictures in random order")
    add("--seed", type=int, default=0, help="of that order [0]")
    add("--mean", type=Path, action="append", default=[], help="FILE.binaryproto, .jpg or .png")
    add(
        "--max-skipped-share",
        type=float,
        default=MAX_SKIPPED_SHARE,
        help=f"fail if a larger share cannot be read [{MAX_SKIPPED_SHARE}]",
    )
    add_path_options(parser)
    add("--workers", type=int, default=cores(), help="processes [one a core]")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    order = Order(
        list_path=arguments.list,
        database=arguments.database,
        height=arguments.height,
        width=arguments.width,
        channels=arguments.channels,
        mode=ResizeMode(arguments.mode),
        encoding=Encoding(arguments.encoding),
        backend=Backend(arguments.backend),
        folder=arguments.folder,
        labels=arguments.labels,
        shuffle=arguments.shuffle,
        seed=arguments.seed,
        means=tuple(arguments.mean),
        max_skipped_share=arguments.max_skipped_share,
        paths=policy_of(arguments),
        urls=UrlPolicy.from_environment(os.environ),
        workers=arguments.workers,
        value_range=ValueRange(arguments.value_range),
        find_range=arguments.find_range,
        if_listed=arguments.if_listed,
    )
    keep_freed_memory()
    run_program(lambda: create_db(order))


if __name__ == "__main__":
    main()
