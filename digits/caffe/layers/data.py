"""The Data layer: batches from an LMDB or LevelDB of Datums.

Tops: data (n, c, h, w), transformed; label (n).  Records come in the order of their keys, round and
round, also in the middle of a batch.  With several processes, each takes every n-th record in the
TRAIN phase.  A batch takes its shape from its first record.

Source: data_layer.cpp.  `rand_skip` is read and ignored, as in Caffe 1.0.  Difference: with a state
to resume from, reading goes on where it was (Caffe starts at the first record).
Elsewhere: decoding and transforming (`digits.caffe.data`).
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

from digits.caffe.data import datum, db
from digits.caffe.data.prefetch import cores
from digits.caffe.data.transformer import DataTransformer
from digits.caffe.layers.base import LayerContext, Shape, register
from digits.caffe.layers.prefetching_data import (
    Batcher,
    BatchSource,
    PrefetchingDataLayer,
    State,
    Top,
    check_batch_size,
)
from digits.caffe.machine.log import at
from digits.caffe.proto import caffe_pb2

log = logging.getLogger(__name__)

_BACKENDS = {
    caffe_pb2.DataParameter.LMDB: db.LMDB,
    caffe_pb2.DataParameter.LEVELDB: db.LEVELDB,
}
# More threads than this do not decode faster than a GPU takes pictures.
_MAX_DECODERS = 8


@register("Data")
class DataLayer(PrefetchingDataLayer):
    """Reads Datums from a database."""

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


class DatumSource(BatchSource):
    """Batches of a database."""

    def __init__(self, layer: DataLayer, reader: db.Reader, transformer: DataTransformer) -> None:
        context = layer.context
        self._reader = reader
        self._transformer = transformer
        self._batch_size = layer.param.data_param.batch_size
        self._labels = len(layer.param.top) > 1
        self._batcher = Batcher(transformer, context, context.random.draw_seed())
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
        return (self._batch_size, *self._transformer.output_shape(sample))

    def next_tops(self) -> list[Top]:
        """The next `batch_size` records."""
        records = [self._next_record() for _ in range(self._batch_size)]
        wheres = [self._where(key) for key, _ in records]
        parsed = [datum.parse(r[1], where) for r, where in zip(records, wheres, strict=True)]
        tops = [self._batcher.data(self._decoded(parsed, wheres), self._batches)]
        if self._labels:
            tops.append(self._batcher.labels([one.label for one in parsed]))
        self._batches += 1
        return tops

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

    def _next_record(self) -> db.Record:
        while self._reader.offset % self._ranks != self._rank:
            self._advance()
        record = self._reader.record()
        self._advance()
        return record

    def _advance(self) -> None:
        if self._reader.advance() and self._rank == 0:
            log.info("Restarting data prefetching from start.", extra=at("data_layer.cpp:73"))

    def _decoded(self, parsed: list[caffe_pb2.Datum], wheres: list[str]) -> list[datum.Sample]:
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
        if self._pool is None or not parsed[0].encoded:
            return list(map(self._sample, parsed, wheres))
        return list(self._pool.map(self._sample, parsed, wheres))

    def _sample(self, parsed: caffe_pb2.Datum, where: str) -> datum.Sample:
        return datum.sample(parsed, where, self._transformer.color)

    def _where(self, key: bytes) -> str:
        return f"{self._reader.path}, record {key.decode('utf-8', 'replace')!r}"
