"""Look into a network while it looks at a picture: numbers, pictures of layers, heat maps.

In: a pool, a network, and a picture: a path, bytes, or with `prepared` the one that `classify_one`
answered.  Out: plain values and PNG files.  The numbers of all layers come at once; a picture of a
layer is drawn when it is asked for.
Elsewhere: what the worker does (`work/layers.py`, `work/grad_cam.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from digits.inference.classify import Source, as_parts
from digits.inference.network import Network
from digits.inference.pool import Pool
from digits.inference.results import LayerFacts, Picture


@dataclass(frozen=True)
class HeatMap:
    """Where a class was seen: the picture under the heat map, as a PNG, and for which class."""

    png: bytes
    label: str
    layer: str


def layer_facts(
    pool: Pool, network: Network, source: Source, *, prepared: bool = False
) -> tuple[LayerFacts, ...]:
    """Every layer of the network in numbers, in the order in which they run."""
    references, parts = as_parts([source])
    header = {"op": "layer_facts", "source": references[0], "prepared": prepared}
    answer = pool.ask(header, parts, network=network)
    return tuple(LayerFacts.from_json(values) for values in json.loads(answer.parts[0]))


def picture_of_activations(
    pool: Pool,
    network: Network,
    source: Source,
    layer: int,
    top: int = 0,
    *,
    prepared: bool = False,
) -> Picture:
    """What a layer (by its index in `layer_facts`) made of the picture.

    Raises BadRequest when there is no such layer or top.
    """
    references, parts = as_parts([source])
    header = {
        "op": "draw_activations",
        "source": references[0],
        "prepared": prepared,
        "layer": layer,
        "top": top,
    }
    answer = pool.ask(header, parts, network=network)
    return Picture(answer.parts[0], answer.header["note"])


def picture_of_weights(pool: Pool, network: Network, layer: int, param: int = 0) -> Picture:
    """A parameter of a layer; filters over three channels are in colour.

    Raises BadRequest when there is no such layer or parameter.
    """
    header = {"op": "draw_weights", "layer": layer, "param": param}
    answer = pool.ask(header, network=network)
    return Picture(answer.parts[0], answer.header["note"])


def grad_cam(
    pool: Pool,
    network: Network,
    source: Source,
    class_index: int,
    layer: str | None = None,
    *,
    prepared: bool = False,
) -> HeatMap:
    """Where in the picture the network saw a class (Grad-CAM), laid over the picture.

    `layer` is the name of the one looked at, None for the last with height and width.  Raises
    BadRequest when there is no such class or layer.
    """
    references, parts = as_parts([source])
    header = {
        "op": "grad_cam",
        "source": references[0],
        "prepared": prepared,
        "class_index": class_index,
        "layer": layer,
    }
    answer = pool.ask(header, parts, network=network)
    return HeatMap(answer.parts[0], answer.header["label"], answer.header["layer"])
