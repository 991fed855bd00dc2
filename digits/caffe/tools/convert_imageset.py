"""Make a database of Datums from a list of pictures.

Run as `python -m digits.caffe.tools.convert_imageset`.
In: a folder and a list of `PATH LABEL` lines.  Out: an LMDB or LevelDB with the keys, records and
log lines of Caffe's tool.  Pictures are resized as Caffe does it, without anti-aliasing; datasets
made for DIGITS use `digits.tools.create_db`.  Source: convert_imageset.cpp, io.cpp.
"""

from __future__ import annotations

import logging
import os
import random
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from digits.caffe.data import datum, db, pictures
from digits.caffe.data.prefetch import cores
from digits.caffe.errors import DataError
from digits.caffe.machine.gflags import Value
from digits.caffe.machine.log import at
from digits.caffe.proto.caffe_pb2 import Datum
from digits.caffe.tools.program import Program

log = logging.getLogger("digits.caffe.tools.convert_imageset")

USAGE = """\
convert_imageset: Convert a set of images to the leveldb/lmdb
format used as input for Caffe.
Usage:
    convert_imageset [FLAGS] ROOTFOLDER/ LISTFILE DB_NAME
The ImageNet dataset for the training demo is at
    http://www.image-net.org/download-images"""
FLAGS: dict[str, tuple[str, Value]] = {
    "backend": ("The backend {lmdb, leveldb} for storing the result", db.LMDB),
    "check_size": ("When this option is on, check that all the datum have the same size", False),
    "encode_type": ("Optional: What type should we encode the image as ('png','jpg',...).", ""),
    "encoded": ("When this option is on, the encoded image will be save in datum", False),
    "gray": ("When this option is on, treat images as grayscale ones", False),
    "resize_height": ("Height images are resized to", 0),
    "resize_width": ("Width images are resized to", 0),
    "shuffle": ("Randomly shuffle the order of images and their labels", False),
}
_LABEL = re.compile(r"\s*[-+]?[0-9]+")
_INT32 = range(-(1 << 31), 1 << 31)
_COMMIT_EVERY = 1000
_AHEAD = 64  # pictures that are read before the first of them is written


@dataclass(frozen=True)
class Options:
    """How pictures become records; `encode_type` is "" for raw pixels or the files' own type."""

    encoded: bool
    encode_type: str
    color: bool
    height: int
    width: int


def run(flags: dict[str, Value], words: list[str]) -> int:
    """The tool."""
    root, list_file, name = words
    lines = _read_list(list_file)
    if flags["shuffle"]:
        log.info("Shuffling data", extra=at("convert_imageset.cpp:85"))
        random.shuffle(lines)
    log.info("A total of %d images.", len(lines), extra=at("convert_imageset.cpp:88"))
    options = Options(
        bool(flags["encoded"]),
        str(flags["encode_type"]),
        not flags["gray"],
        max(0, int(flags["resize_height"])),
        max(0, int(flags["resize_width"])),
    )
    if options.encode_type and not options.encoded:
        log.info(
            "encode_type specified, assuming encoded=true.", extra=at("convert_imageset.cpp:91")
        )
    with db.Writer(name, str(flags["backend"])) as writer:
        _convert(root, lines, options, writer, bool(flags["check_size"]))
    return 0


def _convert(
    root: str, lines: list[tuple[str, int]], options: Options, writer: db.Writer, check_size: bool
) -> None:
    count, size = 0, None
    for index, record in enumerate(_records(root, lines, options)):
        if record is None:
            continue
        if check_size:
            size = size or record.channels * record.height * record.width
            if len(record.data) != size:
                raise DataError(
                    f"{lines[index][0]}: Incorrect data field size {len(record.data)}, the first "
                    f"picture has {size}; resize the pictures to one size"
                )
        writer.put(os.fsencode(f"{index:08d}_{lines[index][0]}"), record.SerializeToString())
        count += 1
        if count % _COMMIT_EVERY == 0:
            writer.commit()
            log.info("Processed %d files.", count, extra=at("convert_imageset.cpp:144"))
    if count % _COMMIT_EVERY:
        writer.commit()
        log.info("Processed %d files.", count, extra=at("convert_imageset.cpp:150"))


def _records(root: str, lines: list[tuple[str, int]], options: Options) -> Iterator[Datum | None]:
    """The record of each line, in order; None for pictures that cannot be read."""
    with ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(lines), _AHEAD):
            part = lines[start : start + _AHEAD]
            yield from pool.map(lambda line: _record_or_none(root, line, options), part)


def _record_or_none(root: str, line: tuple[str, int], options: Options) -> Datum | None:
    name, label = line
    try:
        return _record(root + name, label, options)
    except (DataError, ValueError) as error:  # no picture, or no name that a file can have
        log.error("Could not open or find file %s%s: %s", root, name, error, extra=at("io.cpp:76"))
        return None


def _record(path: str, label: int, options: Options) -> Datum:
    image = pictures.read(path, options.height, options.width, options.color)
    kind = options.encode_type
    if options.encoded and not kind:
        kind = Path(path).suffix[1:].lower()
    if not kind:
        return datum.raw(image, label)
    resized = options.height > 0 and options.width > 0
    if not resized and (image.shape[2] == 3) == options.color and _is_of_kind(path, kind):
        return Datum(data=Path(path).read_bytes(), label=label, encoded=True)
    return Datum(data=pictures.encode(image, kind), label=label, encoded=True)


def _is_of_kind(path: str, kind: str) -> bool:
    suffix = Path(path).suffix[1:].lower()
    return suffix == kind or (kind == "jpg" and suffix == "jpeg")


def _read_list(path: str) -> list[tuple[str, int]]:
    """A path and a label for each line, as Caffe reads them: a line of neither counts too.

    What stands behind the last blank is the label, up to its last digit, or 0.  So a blank line is
    a picture that cannot be found, which is said and passed over when its turn comes.  Unlike in
    Caffe, blanks at the end of a line count for nothing.
    """
    try:
        lines = os.fsdecode(Path(path).read_bytes()).split("\n")
    except OSError as error:
        raise DataError(f"cannot read the list {path}: {error}") from error
    if not lines[-1]:
        lines.pop()  # what follows the last newline is no line
    return [_entry(f"{path}:{number}", line) for number, line in enumerate(lines, 1)]


def _entry(where: str, line: str) -> tuple[str, int]:
    name, blank, label = line.rstrip().rpartition(" ")
    found = _LABEL.match(label)
    if found is None and label:
        log.warning(
            "%s: each line should be `PATH LABEL`, received %r; its label is taken as 0",
            where, line, extra=at("convert_imageset.cpp:79"),
        )  # fmt: skip
    number = int(found[0]) if found else 0
    if number not in _INT32:
        raise DataError(f"{where}: the label {number} is too large; labels have 32 bits")
    return (name if blank else label), number


PROGRAM = Program("tools/convert_imageset.cpp", USAGE, FLAGS, range(3, 4), run)
main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
