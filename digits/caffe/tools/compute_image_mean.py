"""Compute the mean picture of a database: `python -m digits.caffe.tools.compute_image_mean`.

In: an LMDB or LevelDB of Datums of one size.  Out: a mean file, and the mean of each channel in the
log.  Sums are exact for pictures (Caffe sums in float32).  Source: compute_image_mean.cpp.
"""

from __future__ import annotations

import logging
import sys

import numpy as np
import numpy.typing as npt

from digits.caffe.data import datum, db, means
from digits.caffe.errors import DataError
from digits.caffe.machine.gflags import Value
from digits.caffe.machine.log import at
from digits.caffe.tools.program import Program

log = logging.getLogger("digits.caffe.tools.compute_image_mean")

USAGE = """\
compute_image_mean: Compute the mean_image of a set of images given by a leveldb/lmdb
Usage:
    compute_image_mean [FLAGS] INPUT_DB [OUTPUT_FILE]"""
FLAGS: dict[str, tuple[str, Value]] = {
    "backend": ("The backend {leveldb, lmdb} containing the images", db.LMDB),
}
_SAY_EVERY = 10_000


def run(flags: dict[str, Value], words: list[str]) -> int:
    """The tool."""
    with db.Reader(words[0], str(flags["backend"])) as reader:
        mean = mean_of(reader)
    if len(words) == 2:
        log.info("Write to %s", words[1], extra=at("compute_image_mean.cpp:103"))
        means.write_mean_file(words[1], mean)
    log.info("Number of channels: %d", len(mean), extra=at("compute_image_mean.cpp:109"))
    for channel, value in enumerate(mean.astype(np.float64).mean((1, 2))):
        log.info(
            "mean_value channel [%d]: %g", channel, value, extra=at("compute_image_mean.cpp:114")
        )
    return 0


def mean_of(reader: db.Reader) -> npt.NDArray[np.float32]:
    """The mean (channels, height, width) of all records; DataError if their shapes differ."""
    total: npt.NDArray[np.float64] | None = None
    count = 0
    log.info("Starting iteration", extra=at("compute_image_mean.cpp:69"))
    for key, value in reader.records():
        where = f"{reader.path}, record {key.decode('utf-8', 'replace')!r}"
        sample = datum.sample(datum.parse(value, where), where)
        planes = sample.values.transpose(2, 0, 1) if sample.channels_last else sample.values
        if total is None:
            total = np.zeros(planes.shape, np.float64)
        if planes.shape != total.shape:
            raise DataError(
                f"{where}: has the shape {planes.shape}, those before it {total.shape} (channels, "
                "height, width); a mean needs records of one size"
            )
        total += planes
        count += 1
        if count % _SAY_EVERY == 0:
            log.info("Processed %d files.", count, extra=at("compute_image_mean.cpp:90"))
    if count % _SAY_EVERY:
        log.info("Processed %d files.", count, extra=at("compute_image_mean.cpp:96"))
    assert total is not None  # noqa: S101  # a Reader has one record at least
    return (total / count).astype(np.float32)


PROGRAM = Program("tools/compute_image_mean.cpp", USAGE, FLAGS, range(1, 3), run)
main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
