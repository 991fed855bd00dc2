"""The operations on a trained network: load it, classify, look inside."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from digits.caffe.data.datum import Sample
from digits.images.encode import encode_png
from digits.inference.operations import (
    AllLayers,
    Chunk,
    Classification,
    ClassifyOne,
    ClassifyPictures,
    ClassifyRecords,
    DescribeLayers,
    DrawActivations,
    DrawWeights,
    ExplainClass,
    HeatMap,
    Load,
    NetworkFacts,
    Picture,
    Records,
    Source,
    Wanted,
)
from digits.inference.work import databases
from digits.inference.work.batches import run_batches
from digits.inference.work.decoding import Decoders
from digits.inference.work.grad_cam import GradCam
from digits.inference.work.layers import Inside
from digits.inference.work.loaded import LoadedNetwork
from digits.inference.work.pictures import Drawing, Pixels, overlay
from digits.inference.work.state import State
from digits.inference.work.thumbnails import preview

Item = TypeVar("Item")


class TrainedNetwork:
    """A network in memory, and what is made for it when it is first needed."""

    def __init__(self, loaded: LoadedNetwork) -> None:
        self.loaded = loaded

    @cached_property
    def inside(self) -> Inside:
        return Inside(self.loaded)

    @cached_property
    def grad_cam(self) -> GradCam:
        return GradCam(self.loaded)

    @cached_property
    def _decoders(self) -> Decoders:
        cores = self.loaded.cores
        return Decoders(cores.total, on_work=cores.lend)

    def classify(
        self, read: Callable[[Item], Sample], items: Iterable[Item], wanted: Wanted
    ) -> Chunk:
        """Read and classify `items`."""
        return run_batches(self.loaded, self._decoders, read, items, wanted)


def load(state: State, request: Load) -> NetworkFacts:
    """Hold a network instead of the one before."""
    # Before the new network is there: two at a time might be too many.
    state.loaded = None
    gc.collect()
    loaded = LoadedNetwork(request.network, python_layers=state.python_layers)
    state.loaded = TrainedNetwork(loaded)
    return NetworkFacts(tuple(loaded.labels), loaded.input_shape, loaded.batch_size)


def classify_one(state: State, request: ClassifyOne) -> Classification:
    """The best classes of a picture, and the picture as it was seen."""
    network, source = state.network.loaded, _readable(request.source)
    shown = network.take_picture(source, request.prepared)
    predictions = network.predictions(network.scores(1)[0], request.top)
    original = preview(source, request.original_side) if request.original_side else b""
    return Classification(tuple(predictions), encode_png(shown), original)


def classify_pictures(state: State, request: ClassifyPictures) -> Chunk:
    """The best classes of many pictures."""
    sources = [_readable(source) for source in request.sources]
    read = state.network.loaded.preparer.read
    return state.network.classify(read, sources, request.wanted)


def classify_records(state: State, request: ClassifyRecords) -> Chunk:
    """The best classes of a run of a database's records."""
    run = databases.read_run(request.database, request.position, request.count)
    records = Records(
        keys=tuple(record.key for record in run.records),
        labels=tuple(record.label for record in run.records),
        position=run.position,
    )
    chunk = state.network.classify(databases.Record.read, run.records, request.wanted)
    return replace(chunk, records=records)


def describe_layers(state: State, request: DescribeLayers) -> AllLayers:
    """Every layer in numbers."""
    _take(state, request)
    return AllLayers(tuple(state.network.inside.facts()))


def draw_activations(state: State, request: DrawActivations) -> Picture:
    """What a layer made of the picture."""
    _take(state, request)
    return _drawn(state.network.inside.draw_top(request.layer, request.top))


def draw_weights(state: State, request: DrawWeights) -> Picture:
    """A parameter of a layer."""
    return _drawn(state.network.inside.draw_param(request.layer, request.param))


def explain_class(state: State, request: ExplainClass) -> HeatMap:
    """Where in the picture a class was seen."""
    shown = _take(state, request)
    found = state.network.grad_cam.explain(request.class_index, request.layer)
    return HeatMap(encode_png(overlay(shown, found.heat)), found.label, found.layer)


def _take(state: State, request: DescribeLayers | DrawActivations | ExplainClass) -> Pixels:
    """Put the picture into the network's input; answers it as the network sees it."""
    return state.network.loaded.take_picture(_readable(request.source), request.prepared)


def _readable(source: Source) -> str | bytes:
    return str(source) if isinstance(source, Path) else source


def _drawn(drawing: Drawing) -> Picture:
    return Picture(encode_png(drawing.pixels), drawing.note)
