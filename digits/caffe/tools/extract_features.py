"""Write what a net makes of its data into databases.

Run as `python -m digits.caffe.tools.extract_features`.
In: weights, a net with a data layer, names of blobs.  Out: a database for each blob, a Datum of
floats for each sample, under the keys of Caffe's tool.  Source: extract_features.cpp.
"""

from __future__ import annotations

import logging
import sys

import numpy as np
import numpy.typing as npt

from digits.caffe.data import db
from digits.caffe.errors import NetError
from digits.caffe.machine.gflags import UsageError, Value
from digits.caffe.machine.log import at
from digits.caffe.proto.caffe_pb2 import Datum
from digits.caffe.tools.program import Program

log = logging.getLogger("digits.caffe.tools.extract_features")

USAGE = """\
This program takes in a trained network and an input data layer, and then extract features of the
input data produced by the net.
Usage: extract_features  pretrained_net_param  feature_extraction_proto_file
  extract_feature_blob_name1[,name2,...]  save_feature_dataset_name1[,name2,...]
  num_mini_batches  db_type  [CPU/GPU] [DEVICE_ID=0]
Note: you can extract multiple features in one pass by specifying multiple feature blob names and
dataset names separated by ','. The names cannot contain white space characters and the number of
blobs and datasets must be equal."""
_SAY_EVERY = 1000


class _Feature:
    """A blob that is extracted, and the database that it goes to."""

    def __init__(self, blob: str, dataset: str, backend: str) -> None:
        self.blob = blob
        self.count = 0
        log.info("Opening dataset %s", dataset, extra=at("extract_features.cpp:111"))
        self._writer = db.Writer(dataset, backend)

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Add a batch, (n, ...)."""
        shape = values.shape[1:4] + (1,) * (4 - values.ndim)
        for sample in values:
            datum = Datum(channels=shape[0], height=shape[1], width=shape[2])
            datum.float_data.extend(sample.ravel().tolist())
            self._writer.put(b"%010d" % self.count, datum.SerializeToString())
            self.count += 1
            if self.count % _SAY_EVERY == 0:
                self._writer.commit()
                self._say()

    def close(self) -> None:
        """Write the rest and close the database."""
        self._writer.close()
        self._say()

    def _say(self) -> None:
        log.error(
            "Extracted features of %d query images for feature blob %s", self.count, self.blob,
            extra=at("extract_features.cpp:163"),
        )  # fmt: skip


def run(flags: dict[str, Value], words: list[str]) -> int:
    """The tool."""
    # Only now: help and mistakes need no PyTorch.
    from digits.caffe.commands.devices import one_device  # noqa: PLC0415
    from digits.caffe.layers.base import LayerContext, Phase  # noqa: PLC0415
    from digits.caffe.net import Net  # noqa: PLC0415

    weights, model, blobs, datasets, batches, backend = words[:6]
    names, paths = blobs.split(","), datasets.split(",")
    if len(names) != len(paths):
        raise UsageError(
            f"the number of blob names and dataset names must be equal, received {len(names)} "
            f"and {len(paths)}"
        )
    device = one_device(_gpu(words[6:]), 38)
    net = Net(model, Phase.TEST, context=LayerContext(device=device, allow_python=True))
    try:
        net.copy_from(weights)
        for name in names:
            if name not in net.blobs:
                raise NetError(
                    f"Unknown feature blob name {name} in the network {model}; it has "
                    f"{', '.join(net.blobs)}"
                )
        features = [_Feature(n, p, backend) for n, p in zip(names, paths, strict=True)]
        log.error("Extracting Features", extra=at("extract_features.cpp:121"))
        for _ in range(_count(batches)):
            net.forward()
            for feature in features:
                feature.add(net.blobs[feature.blob].data)
        for feature in features:
            feature.close()
    finally:
        net.close()
    log.error("Successfully extracted the features!", extra=at("extract_features.cpp:169"))
    return 0


def _count(word: str) -> int:
    if not word.isdecimal():
        raise UsageError(f"num_mini_batches must be a number, received {word!r}")
    return int(word)


def _gpu(words: list[str]) -> str:
    """The value of --gpu for `GPU`, `GPU 1` or `GPU DEVICE_ID=1`; none for anything else."""
    if not words or words[0] != "GPU":
        return ""
    return words[1].removeprefix("DEVICE_ID=") if len(words) > 1 else "0"


PROGRAM = Program("tools/extract_features.cpp", USAGE, {}, range(6, 9), run)
main = PROGRAM.main

if __name__ == "__main__":
    sys.exit(main())
