"""Make a database of pairs of MNIST's pictures, for siamese networks.

Run as `python -m digits.caffe.tools.convert_mnist_siamese_data`.
In: a file of pictures and one of labels, not compressed.  Out: a LevelDB with as many pairs as
there are pictures, drawn by chance: two channels each, label 1 where both are of one class.
--backend=lmdb, which Caffe's tool lacks, needs no LevelDB.
Source: examples/siamese/convert_mnist_siamese_data.cpp.
"""

from __future__ import annotations

import logging
import sys

import numpy as np

from digits.caffe.data import db, idx
from digits.caffe.machine.gflags import Value
from digits.caffe.machine.log import at
from digits.caffe.proto.caffe_pb2 import Datum
from digits.caffe.tools.program import Program

log = logging.getLogger("digits.caffe.tools.convert_mnist_siamese_data")

USAGE = """\
This script converts the MNIST dataset to the leveldb format used
by caffe to train a siamese network.
Usage:
    convert_mnist_siamese_data [FLAGS] input_image_file input_label_file output_db_file
The MNIST dataset could be downloaded at
    http://yann.lecun.com/exdb/mnist/
You should gunzip them after downloading."""
FLAGS: dict[str, tuple[str, Value]] = {
    "backend": ("The backend {leveldb, lmdb} for storing the result", db.LEVELDB),
}


def run(flags: dict[str, Value], words: list[str]) -> int:
    """The tool."""
    images, labels = idx.read_labelled_images(words[0], words[1])
    count, rows, columns = images.shape
    with db.Writer(words[2], str(flags["backend"])) as writer:
        log.info("A total of %d items.", count, extra=at("convert_mnist_siamese_data.cpp:88"))
        log.info("Rows: %d Cols: %d", rows, columns, extra=at("convert_mnist_siamese_data.cpp:89"))
        datum = Datum(channels=2, height=rows, width=columns)
        pairs = np.random.default_rng().integers(count, size=(count, 2))
        for index, (first, second) in enumerate(pairs):
            datum.data = images[first].tobytes() + images[second].tobytes()
            datum.label = int(labels[first] == labels[second])
            writer.put(b"%08d" % index, datum.SerializeToString())
    return 0


PROGRAM = Program("examples/siamese/convert_mnist_siamese_data.cpp", USAGE, FLAGS, range(3, 4), run)
main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
