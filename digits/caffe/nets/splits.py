"""Insert a Split layer wherever a top is used more than once, with Caffe's names for it.

In: a filtered NetParameter.  Out: a copy in which every blob has at most one user; a top that is
both used and weighted as a loss counts once more.  A Split costs nothing when it runs, but its
names are part of what a user sees (`net.blobs`, logs, files).  Source: insert_splits.cpp.
"""

from __future__ import annotations

from collections import Counter

from digits.caffe.errors import NetError
from digits.caffe.formats.prototxt import nearest
from digits.caffe.proto import caffe_pb2

# A top: index of its layer in the net, index among the layer's tops.
_Top = tuple[int, int]


def insert_splits(net: caffe_pb2.NetParameter) -> caffe_pb2.NetParameter:
    """The net with its Split layers.

    Raises NetError for a bottom that no layer above makes, saying whether one below does (a cycle).
    """
    sources = _sources(net)
    weights = _loss_weights(net)
    uses = Counter(sources.values()) + Counter(top for top, weight in weights.items() if weight)
    split = caffe_pb2.NetParameter()
    split.CopyFrom(net)
    split.ClearField("layer")
    # Number of the next split top to hand out; the first is the loss where there is one.
    following = Counter({top: 1 for top, weight in weights.items() if weight})
    for index, layer in enumerate(net.layer):
        added = split.layer.add()
        added.CopyFrom(layer)
        for position, blob in enumerate(layer.bottom):
            top = sources[index, position]
            if uses[top] > 1:
                maker = net.layer[top[0]].name
                added.bottom[position] = split_blob_name(maker, blob, top[1], following[top])
                following[top] += 1
        for position, blob in enumerate(layer.top):
            top = (index, position)
            if uses[top] > 1:
                weight = weights.get(top, 0.0)
                if weight:
                    added.ClearField("loss_weight")
                _configure_split(split.layer.add(), layer.name, blob, position, uses[top], weight)
    return split


def split_layer_name(layer: str, blob: str, top_index: int) -> str:
    """The name of the Split after top `top_index` of a layer."""
    return f"{blob}_{layer}_{top_index}_split"


def split_blob_name(layer: str, blob: str, top_index: int, split_index: int) -> str:
    """The name of top `split_index` of that Split."""
    return f"{blob}_{layer}_{top_index}_split_{split_index}"


def _sources(net: caffe_pb2.NetParameter) -> dict[tuple[int, int], _Top]:
    """For each bottom (layer, position) the top that it reads: the last one of that name above."""
    last: dict[str, _Top] = {}
    sources = {}
    for index, layer in enumerate(net.layer):
        for position, blob in enumerate(layer.bottom):
            if blob not in last:
                raise _unknown_bottom(net, index, position, list(last))
            sources[index, position] = last[blob]
        for position, blob in enumerate(layer.top):
            last[blob] = (index, position)
    return sources


def _loss_weights(net: caffe_pb2.NetParameter) -> dict[_Top, float]:
    """The loss weight of each top that is given one.

    A weight belongs to the top that has the name at that point, as in Caffe; that is the layer's
    own, unless the layer names the same top twice.
    """
    weights: dict[_Top, float] = {}
    for index, layer in enumerate(net.layer):
        last = {blob: (index, position) for position, blob in enumerate(layer.top)}
        for blob, weight in zip(layer.top, layer.loss_weight, strict=False):
            weights[last[blob]] = weight
    return weights


def _configure_split(
    layer: caffe_pb2.LayerParameter, maker: str, blob: str, position: int, count: int, weight: float
) -> None:
    layer.name = split_layer_name(maker, blob, position)
    layer.type = "Split"
    layer.bottom.append(blob)
    layer.top.extend(split_blob_name(maker, blob, position, i) for i in range(count))
    if weight:
        layer.loss_weight.extend([weight] + [0.0] * (count - 1))


def _unknown_bottom(
    net: caffe_pb2.NetParameter, index: int, position: int, tops: list[str]
) -> NetError:
    layer = net.layer[index]
    blob = layer.bottom[position]
    below = next((other.name for other in net.layer[index:] if blob in other.top), None)
    if below == layer.name:
        hint = " The layer makes that top itself: a net must not have cycles."
    elif below is not None:
        hint = (
            f" Layer {below!r} below it does: layers run in the order of the file, so move it up; "
            "a net must not have cycles."
        )
    else:
        shown = ", ".join(tops[-20:]) or "none"
        hint = nearest(blob, tops) or f" Tops so far: {shown}."
    return NetError(
        f"layer {layer.name!r} ({layer.type}) has bottom {blob!r}, but no layer above it has that "
        f"top (Unknown bottom blob '{blob}', bottom index {position}).{hint}"
    )
