"""What is inside a network that looks at a picture: every layer in numbers, some in pictures.

In: a loaded network with a picture in its input.  Out: LayerFacts, and drawings, each made when it
is asked for.  Layers that a net inserts by itself (Split) are left out.
Elsewhere: how an array becomes a picture (`pictures.py`) or numbers (`statistics.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from digits.caffe.blob import Blob
from digits.inference.errors import BadRequest
from digits.inference.operations import BlobFacts, LayerFacts
from digits.inference.work.loaded import LoadedNetwork
from digits.inference.work.pictures import Drawing, draw_activations, draw_weights
from digits.inference.work.statistics import describe

Floats = npt.NDArray[np.float32]

# 256 MB: four times what GoogLeNet makes of a picture.
_MOST_KEPT_VALUES = 1 << 26


class Inside:
    """Looks into a network.

    The values of all layers for the last picture are kept, so that drawing them one by one takes
    one pass; unless they are too many.  The statistics of the parameters are computed once.
    """

    def __init__(self, network: LoadedNetwork) -> None:
        self._network = network
        self._params: dict[str, tuple[BlobFacts, ...]] = {}
        own = {layer.name for layer in network.param.layer}
        self._names = [name for name in network.net.layer_dict if name in own]
        self._layers_in_net = list(network.net.layer_dict)
        own_indices = ((i, name) for i, name in enumerate(self._layers_in_net) if name in own)
        self._index_in_net = {name: i for i, name in own_indices}
        self._watch: Callable[[int], None] | None = None
        self._kept: dict[int, list[Floats]] = {}
        self._kept_of = b""
        network.net.after_forward(self._after_layer)

    def facts(self) -> list[LayerFacts]:
        """Every layer's numbers for the picture in the input."""
        tops: dict[int, tuple[BlobFacts, ...]] = {}

        def describe_tops(index: int, values: list[Floats]) -> None:
            names = self._network.net.top_names[self._name_in_net(index)]
            tops[index] = tuple(
                BlobFacts(name, each.shape, describe(each))
                for name, each in zip(names, values, strict=True)
            )

        self._look(describe_tops)
        return [
            LayerFacts(
                index=number,
                name=name,
                type=self._network.net.layer_dict[name].type,
                tops=tops[self._index_in_net[name]],
                params=self._param_facts(name),
            )
            for number, name in enumerate(self._names)
        ]

    def draw_top(self, layer: int, top: int) -> Drawing:
        """A top of a layer, by numbers from 0, for the picture in the input."""
        wanted = self._index_in_net[self._layer_name(layer)]
        _check_number("top", top, len(self._network.net.top_names[self._name_in_net(wanted)]))
        drawn: list[Drawing] = []

        def draw(index: int, values: list[Floats]) -> None:
            if index == wanted:
                drawn.append(draw_activations(values[top][0] if values[top].ndim else values[top]))

        self._look(draw)
        return drawn[0]

    def draw_param(self, layer: int, param: int) -> Drawing:
        """A parameter of a layer, by numbers from 0: 0 is mostly the weights, 1 the bias."""
        blobs = self._network.net.layer_dict[self._layer_name(layer)].blobs
        _check_number("parameter", param, len(blobs))
        return draw_weights(_values(blobs[param]))

    def _look(self, look: Callable[[int, list[Floats]], None]) -> None:
        """Call `look` with each layer's index in the net and the values of its tops."""
        network = self._network
        picture = hashlib.sha256(network.net.blobs[network.input_name].data.tobytes()).digest()
        if picture == self._kept_of:
            for index, values in self._kept.items():
                look(index, values)
            return
        keep = sum(blob.count for blob in network.net.blobs.values()) <= _MOST_KEPT_VALUES
        self._kept, self._kept_of = {}, b""

        def watch(index: int) -> None:
            values = [_values(blob) for blob in self._tops(index)]
            look(index, values)
            if keep and self._name_in_net(index) in self._index_in_net:
                # Copies: a layer that works in place overwrites what is there.
                self._kept[index] = [each.copy() for each in values]

        self._watch = watch
        try:
            network.scores(1)
        finally:
            self._watch = None
        if keep:
            self._kept_of = picture

    def _after_layer(self, index: int) -> None:
        if self._watch is not None:
            self._watch(index)

    def _tops(self, index: int) -> list[Blob]:
        net = self._network.net
        return [net.blobs[top] for top in net.top_names[self._name_in_net(index)]]

    def _name_in_net(self, index: int) -> str:
        return self._layers_in_net[index]

    def _param_facts(self, name: str) -> tuple[BlobFacts, ...]:
        if name not in self._params:
            blobs = self._network.net.layer_dict[name].blobs
            self._params[name] = tuple(
                BlobFacts(_param_name(index, len(blobs)), blob.shape, describe(_values(blob)))
                for index, blob in enumerate(blobs)
            )
        return self._params[name]

    def _layer_name(self, layer: int) -> str:
        _check_number("layer", layer, len(self._names))
        return self._names[layer]


def _values(blob: Blob) -> Floats:
    """A blob's present values, without keeping its memory in use."""
    return np.asarray(blob.tensor().detach().numpy(), dtype=np.float32)


def _param_name(index: int, count: int) -> str:
    """What is mostly meant: one or two parameters are weights and bias, others have numbers."""
    if count <= 2:
        return ("weights", "bias")[index]
    return f"parameter {index}"


def _check_number(what: str, number: int, count: int) -> None:
    if not 0 <= number < count:
        raise BadRequest(f"There is no {what} {number}; there are {count}, counted from 0.")
