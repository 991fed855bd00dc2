"""The Data layer: batches from an LMDB or LevelDB of Datums.

Tops: data (n, c, h, w), transformed; label (n).  Records come in the order of their keys, round and
round, also in the middle of a batch.  With several processes, each takes every n-th record in the
TRAIN phase.  A batch takes its shape from its first record.

Source: data_layer.cpp.  `rand_skip` is read and ignored, as in Caffe 1.0.  Difference: with a state
to resume from, reading goes on where it was (Caffe starts at the first record).
Elsewhere: decoding and transforming (`digits.caffe.data`).
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch

from digits.caffe.data import datum, db
from digits.caffe.data.augmenter import Chance
from digits.caffe.data.prefetch import cores
from digits.caffe.data.transformer import DataTransformer
from digits.caffe.errors import DataError
from digits.caffe.layers.base import LayerContext, Shape, register
from digits.caffe.layers.prefetching_data import (
    Batcher,
    BatchSource,
    PrefetchingDataLayer,
    State,
    Top,
    check_batch_size,
    top_of,
)
from digits.caffe.machine.log import at
from digits.caffe.proto import caffe_pb2

# (variants, records, *shape), float32.
FeatureArray = npt.NDArray[np.float32]

log = logging.getLogger(__name__)

_BACKENDS = {
    caffe_pb2.DataParameter.LMDB: db.LMDB,
    caffe_pb2.DataParameter.LEVELDB: db.LEVELDB,
}
# Chance of kept features comes from no training's seed, so that all trainings can share them.
_VARIANT_SEED = 1 << 40
# More threads than this do not decode faster than a GPU takes pictures.
_MAX_DECODERS = 8


@register("Data")
class DataLayer(PrefetchingDataLayer):
    """Reads Datums from a database."""

    has_pictures = True

    def __init__(self, param: caffe_pb2.LayerParameter, context: LayerContext) -> None:
        super().__init__(param, context)
        fields = param.data_param
        check_batch_size(self, fields.batch_size)
        self.depth = max(1, fields.prefetch)
        # Opened here as in Caffe, whose log has this before the rest of the layer.
        self._reader = db.Reader(self.path(fields.source), _BACKENDS[fields.backend])

    def open(self) -> tuple[BatchSource, list[Shape]]:
        """Look at the first record of the database."""
        transform = self.param.transform_param
        try:
            transformer = DataTransformer(transform, self.training, self.path(transform.mean_file))
            source = DatumSource(self, self._reader, transformer)
            shape = source.first_shape()
        except BaseException:
            self._reader.close()
            raise
        log.info("output data size: %s", ",".join(map(str, shape)), extra=at("data_layer.cpp:45"))
        shapes: list[Shape] = [shape, shape[:1]]
        return source, shapes[: len(self.param.top)]

    def pictures(self, variant: int, batch_size: int) -> Iterator[torch.Tensor]:
        """All records once, from the first on, in batches (n, c, h, w) on the layer's device.

        Where they are changed at random, each `variant` does so in its own way.
        """
        self._stop()
        source = self._datum_source()
        state = source.state()
        try:
            for top in source.pictures(variant, batch_size):
                yield self._placed(top())
        finally:
            source.restore(state)

    @property
    def is_random(self) -> bool:
        """Whether a record does not always give the same picture."""
        return self._datum_source().is_random

    def identity(self) -> str:
        """What tells the records and their transformation from others, without reading them all."""
        return self._datum_source().identity(self.path(self.param.data_param.source))

    def hand_out(self, features: Sequence[FeatureArray]) -> None:
        """From now on, give features of the records in place of pictures."""
        self._stop()
        source = FeatureSource(self._datum_source(), features, self.context)
        self._source = source
        self._shapes = [*source.shapes(), *self._shapes[1:]]

    @property
    def records(self) -> int:
        """How many records the database has."""
        return len(self._reader)

    def labels(self) -> npt.NDArray[np.int64]:
        """Of all records, from the first on; reads all of them."""
        self._stop()
        return self._datum_source().all_labels()

    def _datum_source(self) -> DatumSource:
        source = self._opened()
        if not isinstance(source, DatumSource):
            raise DataError(f"layer {self.name!r} hands out features already")
        return source


class DatumSource(BatchSource):
    """Batches of a database."""

    def __init__(self, layer: DataLayer, reader: db.Reader, transformer: DataTransformer) -> None:
        context = layer.context
        self._reader = reader
        self._count = 0  # of all records, once somebody asked
        self._transformer = transformer
        self.batch_size = layer.param.data_param.batch_size
        self._labels = len(layer.param.top) > 1
        self._batcher = Batcher(transformer, context, context.random.draw_seed())
        self._augmenter = layer.augmenter()
        self._rank = context.rank if layer.training else 0
        self._ranks = context.world_size if layer.training else 1
        self._batches = 0
        self._told_of_color = False
        workers = min(_MAX_DECODERS, cores() // 2)
        # With one thread to spare, the prefetching thread itself is the one that decodes.
        self._pool = ThreadPoolExecutor(workers, f"decode {layer.name}") if workers > 1 else None

    def first_shape(self) -> Shape:
        """The shape of a batch that begins with the record under the cursor."""
        key, value = self._reader.record()
        sample = self._sample(datum.parse(value, self._where(key)), self._where(key))
        return (self.batch_size, *self._transformer.output_shape(sample))

    @property
    def is_random(self) -> bool:
        """Whether a record does not always give the same picture."""
        if self._augmenter is not None:
            return True
        if not self._transformer.is_random:
            return False
        key, value = self._reader.record()
        where = self._where(key)
        return self._transformer.changes(self._sample(datum.parse(value, where), where))

    def next_tops(self) -> list[Top]:
        """The next `batch_size` records."""
        records = [self._next_record() for _ in range(self.batch_size)]
        wheres, parsed = self._parsed(records)
        samples = self._decoded(parsed, wheres, self._batches)
        tops = [self._batcher.data(samples, self._batches)]
        if self._labels:
            tops.append(self._batcher.labels([one.label for one in parsed]))
        self._batches += 1
        return tops

    def next_places(self) -> tuple[list[int], list[Top], int, int]:
        """Of the next batch, without its pictures: where its records stand in the database.

        Then their labels as tops, the number of the batch, and the seed of its chance.
        """
        self._count = self._count or len(self._reader)
        places, records = [], []
        for _ in range(self.batch_size):
            self._skip_others()
            places.append(self._reader.offset % self._count)
            records.append(self._next_record())
        tops = []
        if self._labels:
            tops.append(self._batcher.labels([one.label for one in self._parsed(records)[1]]))
        self._batches += 1
        return places, tops, self._batches - 1, self._batcher.seed

    def pictures(self, variant: int, batch_size: int) -> Iterator[Top]:
        """All records once, from the first on, in batches; see `DataLayer.pictures`."""
        seed, count = self._batcher.seed, len(self._reader)
        self._batcher.seed = _VARIANT_SEED + variant
        try:
            self._reader.seek(b"", 0)
            for number, start in enumerate(range(0, count, batch_size)):
                records = []
                for _ in range(min(batch_size, count - start)):
                    records.append(self._reader.record())
                    self._reader.advance()
                wheres, parsed = self._parsed(records)
                yield self._batcher.data(self._decoded(parsed, wheres, number), number)
        finally:
            self._batcher.seed = seed

    def all_labels(self) -> npt.NDArray[np.int64]:
        """See `DataLayer.labels`."""
        state, found = self.state(), np.empty(len(self._reader), np.int64)
        self._reader.seek(b"", 0)
        for number in range(len(found)):
            key, value = self._reader.record()
            found[number] = datum.parse(value, self._where(key)).label
            self._reader.advance()
        self.restore(state)
        return found

    def identity(self, path: str) -> str:
        """See `DataLayer.identity`: a database that is written anew has another time or size."""
        state = self.state()
        self._reader.seek(b"", 0)
        first = hashlib.sha256(b"".join(self._reader.record())).hexdigest()
        self.restore(state)
        file = os.path.join(path, "data.mdb")
        status = os.stat(file if os.path.isfile(file) else path)
        database = (len(self._reader), first, status.st_size, status.st_mtime_ns)
        changed = (self._augmenter.augmentation,) if self._augmenter is not None else ()
        return repr((database, self._transformer.identity(), *changed))

    def state(self) -> State:
        """The key that comes next, how many came before, and what chance depends on."""
        return {
            "key": self._reader.key().hex(),
            "offset": self._reader.offset,
            "batches": self._batches,
            "seed": self._batcher.seed,
        }

    def restore(self, state: State) -> None:
        """Go to the record of a `state`."""
        self._reader.seek(bytes.fromhex(state["key"]), state["offset"])
        self._batches = state["batches"]
        self._batcher.seed = state["seed"]

    def close(self) -> None:
        """Close the database."""
        self._reader.close()
        if self._pool is not None:
            self._pool.shutdown()

    def _parsed(self, records: Sequence[db.Record]) -> tuple[list[str], list[caffe_pb2.Datum]]:
        """Where each record stands, for messages, and what it holds."""
        wheres = [self._where(key) for key, _ in records]
        return wheres, [datum.parse(r[1], where) for r, where in zip(records, wheres, strict=True)]

    def _skip_others(self) -> None:
        """Go to the next record that is this process's."""
        while self._reader.offset % self._ranks != self._rank:
            self._advance()

    def _next_record(self) -> db.Record:
        self._skip_others()
        record = self._reader.record()
        self._advance()
        return record

    def _advance(self) -> None:
        if self._reader.advance() and self._rank == 0:
            log.info("Restarting data prefetching from start.", extra=at("data_layer.cpp:73"))

    def _decoded(
        self, parsed: list[caffe_pb2.Datum], wheres: list[str], number: int
    ) -> list[datum.Sample]:
        """The samples of the batch with this number, augmented where that is asked for."""
        if (
            self._transformer.color is not None
            and not parsed[0].encoded
            and not self._told_of_color
        ):
            # Real Caffe says so for every record.
            self._told_of_color = True
            log.error(
                "force_color and force_gray only for encoded datum",
                extra=at("data_transformer.cpp:152"),
            )
        chances: Sequence[Chance | None] = [None] * len(parsed)
        if self._augmenter is not None:
            chances = self._batcher.chances(number, len(parsed))
        if self._pool is None or not (parsed[0].encoded or self._augmenter):
            return list(map(self._seen, parsed, wheres, chances))
        return list(self._pool.map(self._seen, parsed, wheres, chances))

    def _seen(self, parsed: caffe_pb2.Datum, where: str, chance: Chance | None) -> datum.Sample:
        sample = self._sample(parsed, where)
        if self._augmenter is None or chance is None:
            return sample
        return self._augmenter.augmented(sample, chance)

    def _sample(self, parsed: caffe_pb2.Datum, where: str) -> datum.Sample:
        return datum.sample(parsed, where, self._transformer.color)

    def _where(self, key: bytes) -> str:
        return f"{self._reader.path}, record {key.decode('utf-8', 'replace')!r}"


class FeatureSource(BatchSource):
    """Batches of kept features in place of pictures; labels come from the records as ever.

    Its states are those of the source of pictures, so that a training can go on with or without.
    """

    def __init__(
        self, source: DatumSource, features: Sequence[FeatureArray], context: LayerContext
    ) -> None:
        self._source = source
        self._features = features
        self._context = context

    def shapes(self) -> list[Shape]:
        """Of the features of a batch."""
        return [(self._source.batch_size, *each.shape[2:]) for each in self._features]

    def next_tops(self) -> list[Top]:
        """The features of the next `batch_size` records, each of a variant that chance chooses."""
        places, labels, number, seed = self._source.next_places()
        variants = np.zeros(len(places), np.int64)
        count = len(self._features[0])
        if count > 1:
            variants = np.random.default_rng((seed, number)).integers(count, size=len(places))
        return [*(self._top(each[variants, places]) for each in self._features), *labels]

    def state(self) -> State:
        return self._source.state()

    def restore(self, state: State) -> None:
        self._source.restore(state)

    def close(self) -> None:
        self._source.close()

    def _top(self, values: FeatureArray) -> Top:
        tensor = torch.from_numpy(values)
        if self._context.channels_last and tensor.dim() == 4:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        return top_of(self._context, tensor)
