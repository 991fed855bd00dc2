"""Make a database of MNIST's files: `python -m digits.caffe.tools.convert_mnist_data`.

In: a file of pictures and one of labels, not compressed.  Out: an LMDB or LevelDB with the keys and
records of Caffe's tool, byte for byte.  Source: examples/mnist/convert_mnist_data.cpp.
"""

from __future__ import annotations

import logging
import sys

from digits.caffe.data import db, idx
from digits.caffe.machine.gflags import Value
from digits.caffe.machine.log import at
from digits.caffe.proto.caffe_pb2 import Datum
from digits.caffe.tools.program import Program

log = logging.getLogger("digits.caffe.tools.convert_mnist_data")

USAGE = """\
convert_mnist_data: This script converts the MNIST dataset to
the lmdb/leveldb format used by Caffe to load data.
Usage:
    convert_mnist_data [FLAGS] input_image_file input_label_file output_db_file
The MNIST dataset could be downloaded at
    http://yann.lecun.com/exdb/mnist/
You should gunzip them after downloading."""
FLAGS: dict[str, tuple[str, Value]] = {
    "backend": ("The backend for storing the result", db.LMDB),
}


def run(flags: dict[str, Value], words: list[str]) -> int:
    """The tool."""
    images, labels = idx.read_labelled_images(words[0], words[1])
    count, rows, columns = images.shape
    with db.Writer(words[2], str(flags["backend"])) as writer:
        log.info("A total of %d items.", count, extra=at("convert_mnist_data.cpp:88"))
        log.info("Rows: %d Cols: %d", rows, columns, extra=at("convert_mnist_data.cpp:89"))
        datum = Datum(channels=1, height=rows, width=columns)
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            datum.data = image.tobytes()
            datum.label = int(label)
            writer.put(b"%08d" % index, datum.SerializeToString())
    log.info("Processed %d files.", count, extra=at("convert_mnist_data.cpp:108"))
    return 0


PROGRAM = Program("examples/mnist/convert_mnist_data.cpp", USAGE, FLAGS, range(3, 4), run)
main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
