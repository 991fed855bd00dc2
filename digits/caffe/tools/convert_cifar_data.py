"""Make databases of CIFAR-10's binary files: `python -m digits.caffe.tools.convert_cifar_data`.

In: a folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin.  Out: the databases
cifar10_train_BACKEND and cifar10_test_BACKEND in another folder, with the keys and records of
Caffe's tool.  Source: examples/cifar10/convert_cifar_data.cpp.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from digits.caffe.data import db
from digits.caffe.errors import DataError
from digits.caffe.machine.gflags import Value
from digits.caffe.machine.log import at
from digits.caffe.proto.caffe_pb2 import Datum
from digits.caffe.tools.program import Program

log = logging.getLogger("digits.caffe.tools.convert_cifar_data")

USAGE = """\
This script converts the CIFAR dataset to the leveldb format used
by caffe to perform classification.
Usage:
    convert_cifar_data input_folder output_folder db_type
Where the input folder should contain the binary batch files.
The CIFAR dataset could be downloaded at
    http://www.cs.toronto.edu/~kriz/cifar.html
You should gunzip them after downloading."""
_SIZE, _CHANNELS = 32, 3
_RECORD_BYTES = 1 + _CHANNELS * _SIZE * _SIZE  # the label, then the planes R, G, B
_BATCH = 10_000  # records of each file
_TRAIN_BATCHES = 5


def run(flags: dict[str, Value], words: list[str]) -> int:
    """The tool."""
    source, target, backend = words
    with db.Writer(f"{target}/cifar10_train_{backend}", backend) as writer:
        log.info("Writing Training data", extra=at("convert_cifar_data.cpp:52"))
        for number in range(_TRAIN_BATCHES):
            log.info("Training Batch %d", number + 1, extra=at("convert_cifar_data.cpp:55"))
            records = _records(Path(source, f"data_batch_{number + 1}.bin"))
            _write(writer, records, number * _BATCH)
    log.info("Writing Testing data", extra=at("convert_cifar_data.cpp:73"))
    with db.Writer(f"{target}/cifar10_test_{backend}", backend) as writer:
        _write(writer, _records(Path(source, "test_batch.bin")), 0)
    return 0


def _records(path: Path) -> npt.NDArray[np.uint8]:
    """The records (n, label and pixels) of a file, n up to 10,000."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"Unable to open {path}: {error.strerror}") from error
    if not data or len(data) % _RECORD_BYTES or len(data) > _BATCH * _RECORD_BYTES:
        raise DataError(
            f"{path}: is none of CIFAR-10's binary files, which hold up to {_BATCH} records of "
            f"{_RECORD_BYTES} bytes; this one holds {len(data)} bytes"
        )
    return np.frombuffer(data, np.uint8).reshape(-1, _RECORD_BYTES)


def _write(writer: db.Writer, records: npt.NDArray[np.uint8], first_key: int) -> None:
    datum = Datum(channels=_CHANNELS, height=_SIZE, width=_SIZE)
    for key, record in enumerate(records, first_key):
        datum.label = int(record[:1].view(np.int8)[0])
        datum.data = record[1:].tobytes()
        writer.put(b"%05d" % key, datum.SerializeToString())


PROGRAM = Program("examples/cifar10/convert_cifar_data.cpp", USAGE, {}, range(3, 4), run)
main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
