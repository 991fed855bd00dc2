"""The operations on a trained network: load, classify, look inside.

Elsewhere: those on nets without weights, and who calls (`service.py`).
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from digits.caffe.data.datum import Sample
from digits.images.encode import encode_png
from digits.inference.errors import BadRequest
from digits.inference.network import Network
from digits.inference.protocol import Message
from digits.inference.work import databases
from digits.inference.work.batches import BatchOptions, classify
from digits.inference.work.decoding import Decoders
from digits.inference.work.grad_cam import GradCam
from digits.inference.work.layers import Inside
from digits.inference.work.loaded import LoadedNetwork
from digits.inference.work.pictures import Drawing, Pixels, overlay
from digits.inference.work.thumbnails import preview

Operation = Callable[[Message], Message]


class NetworkService:
    """Holds at most one network, and answers requests about it."""

    def __init__(self) -> None:
        self._loaded: LoadedNetwork | None = None
        # Made when they are first needed.
        self._decoders: Decoders | None = None
        self._made_inside: Inside | None = None
        self._made_grad_cam: GradCam | None = None
        self.operations: dict[str, Operation] = {
            "load": self._load,
            "classify_one": self._classify_one,
            "classify_many": self._classify_many,
            "layer_facts": self._layer_facts,
            "draw_activations": self._draw_activations,
            "draw_weights": self._draw_weights,
            "grad_cam": self._grad_cam,
        }

    @property
    def _network(self) -> LoadedNetwork:
        if self._loaded is None:
            raise BadRequest("This worker has no network loaded.")
        return self._loaded

    def _load(self, request: Message) -> Message:
        # Before the new network is there: two at a time might be too many.
        self._loaded = self._made_inside = self._made_grad_cam = self._decoders = None
        gc.collect()
        self._loaded = LoadedNetwork(Network.from_json(request.header["network"]))
        return Message(
            {
                "labels": list(self._loaded.labels),
                "input_shape": list(self._loaded.input_shape),
                "batch_size": self._loaded.batch_size,
            }
        )

    def _classify_one(self, request: Message) -> Message:
        """Header: source, top, prepared, original (pixels a side).

        Answers predictions, the picture as it was seen, and, where wanted, as it was.
        """
        network, header = self._network, request.header
        shown = self._take(request)
        predictions = network.predictions(network.scores(1)[0], header["top"])
        parts = [encode_png(shown)]
        if side := header.get("original", 0):
            parts.append(preview(_source(header["source"], request.parts), side))
        return Message(
            {"predictions": [[each.label, each.index, each.confidence] for each in predictions]},
            parts,
        )

    def _classify_many(self, request: Message) -> Message:
        """Header: top, best, thumbnails (pixels a side), and sources or database, position, count.

        Answers arrays, then the best of each class, then the sizes of thumbnails and these.
        """
        network, header = self._network, request.header
        facts: dict[str, Any] = {}
        items: Sequence[Any]
        read: Callable[[Any], Sample]
        if "database" in header:
            items, facts = _records(header)
            read = databases.Record.read
        else:
            items = [_source(source, request.parts) for source in header["sources"]]
            read = network.preparer.read
        options = BatchOptions(header["top"], header.get("best", 0), header.get("thumbnails", 0))
        chunk = classify(network, self._decode(), read, items, options)
        indices, confidences = chunk.joined()
        parts = [indices.tobytes(), confidences.tobytes()]
        if chunk.best is not None:
            parts += [array.tobytes() for array in chunk.best]
        if options.thumbnail_side:
            sizes = np.array([len(each) for each in chunk.thumbnails], np.int64)
            parts += [sizes.tobytes(), b"".join(chunk.thumbnails)]
        kept = 0 if chunk.best is None else chunk.best[0].shape[1]
        facts |= {"count": len(indices), "top": chunk.top, "best": kept, "reasons": chunk.reasons}
        return Message(facts, parts)

    def _layer_facts(self, request: Message) -> Message:
        """Header: source, prepared.  Answers the layers as JSON in a part: it may be large."""
        self._take(request)
        facts = [layer.to_json() for layer in self._inside.facts()]
        return Message({}, [json.dumps(facts).encode()])

    def _draw_activations(self, request: Message) -> Message:
        """Header: source, prepared, layer, top.  Answers a picture and its note."""
        self._take(request)
        header = request.header
        return _drawn(self._inside.draw_top(header["layer"], header["top"]))

    def _draw_weights(self, request: Message) -> Message:
        """Header: layer, param.  Answers a picture and its note."""
        header = request.header
        return _drawn(self._inside.draw_param(header["layer"], header["param"]))

    def _grad_cam(self, request: Message) -> Message:
        """Header: source, prepared, class_index, layer.  Answers the picture with its heat map."""
        shown = self._take(request)
        if self._made_grad_cam is None:
            self._made_grad_cam = GradCam(self._network)
        header = request.header
        found = self._made_grad_cam.explain(header["class_index"], header["layer"])
        facts = {"label": found.label, "layer": found.layer}
        return Message(facts, [encode_png(overlay(shown, found.heat))])

    def _take(self, request: Message) -> Pixels:
        header = request.header
        source = _source(header["source"], request.parts)
        return self._network.take_picture(source, header["prepared"])

    @property
    def _inside(self) -> Inside:
        if self._made_inside is None:
            self._made_inside = Inside(self._network)
        return self._made_inside

    def _decode(self) -> Decoders:
        if self._decoders is None:
            cores = self._network.cores
            self._decoders = Decoders(cores.total, on_work=cores.lend)
        return self._decoders


def _source(reference: Any, parts: Sequence[bytes]) -> str | bytes:
    """A path as it stands; a number is that of a part."""
    return parts[reference] if isinstance(reference, int) else str(reference)


def _drawn(drawing: Drawing) -> Message:
    return Message({"note": drawing.note}, [encode_png(drawing.pixels)])


def _records(header: Mapping[str, Any]) -> tuple[list[databases.Record], dict[str, Any]]:
    database = header["database"]
    run = databases.read_run(
        database["path"], database["backend"], header["position"], header["count"]
    )
    facts = {
        "position": run.position,
        "labels": [record.label for record in run.records],
        "keys": [record.key for record in run.records],
    }
    return run.records, facts
