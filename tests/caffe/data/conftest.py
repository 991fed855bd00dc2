"""Builders of small real databases and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from digits.caffe.data import datum, db, pictures
from digits.caffe.formats import prototxt
from digits.caffe.layers.base import Layer, LayerContext, Phase
from digits.caffe.layers.registry import create_layer
from digits.caffe.machine.randomness import Randomness
from digits.caffe.proto.caffe_pb2 import LayerParameter

MakeDatabase = Callable[..., str]
MakeLayer = Callable[..., Layer]


def picture(index: int, height: int = 6, width: int = 8, channels: int = 3) -> np.ndarray:
    """Noise that is the same for the same index."""
    rng = np.random.default_rng(index)
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.fixture
def make_database(tmp_path: Path) -> MakeDatabase:
    """Makes an LMDB of pictures, labelled by their index; answers its path."""

    def make(
        images: Sequence[np.ndarray], encoding: str = "", name: str = "db", backend: str = db.LMDB
    ) -> str:
        path = str(tmp_path / name)
        with db.Writer(path, backend) as writer:
            for index, image in enumerate(images):
                record = datum.raw(image, index)
                if encoding:
                    data = pictures.encode(image, encoding)
                    record = datum.Datum(data=data, label=index, encoded=True)
                writer.put(f"{index:08d}".encode(), record.SerializeToString())
        return path

    return make


@pytest.fixture
def make_layer() -> Iterator[MakeLayer]:
    """Makes a layer from prototxt, set up; all are closed in the end."""
    made: list[Layer] = []

    def make(text: str, phase: Phase = Phase.TRAIN, seed: int = 1, **context: object) -> Layer:
        param = prototxt.parse_text(text, LayerParameter())
        layer = create_layer(param, LayerContext(phase=phase, random=Randomness(seed), **context))
        made.append(layer)
        layer.setup([])
        return layer

    yield make
    for layer in made:
        layer.close()
