"""Which layers of a network exist in which phase, and which of them make its output.

In: a NetParameter in the current (`layer`) format.  Out: answers about it; nothing is changed.
A network is seen in three states: TRAIN (phase TRAIN, stage "train"), VAL (phase TEST, stage "val")
and DEPLOY (phase TEST, stage "deploy"), so a layer's rules can limit it to any of them.

Elsewhere: what a rule means (the engine's `nets/rules.py`), what is made of a network for training
and for deployment (`training.py`, `deploy.py`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from digits.caffe.errors import NetError
from digits.caffe.nets import rules
from digits.caffe.proto import caffe_pb2
from digits.caffe.proto.caffe_pb2 import LayerParameter, NetParameter, NetState
from digits.model.network.errors import NetworkError

TRAIN = NetState(phase=caffe_pb2.TRAIN, stage=["train"])
VAL = NetState(phase=caffe_pb2.TEST, stage=["val"])
DEPLOY = NetState(phase=caffe_pb2.TEST, stage=["deploy"])

# Losses that compare scores, one a class, with the number of the right class.
CLASSIFICATION_LOSSES = frozenset(
    {"SoftmaxWithLoss", "HingeLoss", "InfogainLoss", "MultinomialLogisticLoss"}
)
# Layers that give as many channels as they get, so that the class scores pass through them.
PASS_THROUGH = frozenset(
    {
        *("AbsVal", "BNLL", "BatchNorm", "Bias", "Clip", "Dropout", "ELU", "Eltwise", "Exp"),
        *("Flatten", "LRN", "Log", "MVN", "PReLU", "Pooling", "Power", "ReLU", "Reshape"),
        *("Scale", "Sigmoid", "Softmax", "Swish", "TanH", "Threshold"),
    }
)
WITH_OUTPUT_COUNT = frozenset({"InnerProduct", "Convolution"})
INPUT_TYPES = frozenset({"Data", "Input"})
DEFAULT_LABEL = "label"


def is_included(layer: LayerParameter, state: NetState) -> bool:
    """Whether the layer exists in this state, by the engine's own rule.

    Raises NetworkError for a layer that has both include and exclude rules.
    """
    try:
        return rules.is_included(layer, state)
    except NetError as error:
        raise NetworkError(str(error), layer=layer.name) from error


def has_phase_rules_only(layer: LayerParameter) -> bool:
    """Whether a solver that sets no stages and levels reads the layer's rules as we do."""
    return not any(
        rule.stage or rule.not_stage or rule.HasField("min_level") or rule.HasField("max_level")
        for rule in (*layer.include, *layer.exclude)
    )


def layers_in(net: NetParameter, state: NetState) -> list[LayerParameter]:
    """The layers that exist in a state, in file order."""
    return [layer for layer in net.layer if is_included(layer, state)]


def is_loss(layer: LayerParameter) -> bool:
    """Whether the layer is there for its loss."""
    return layer.type.endswith("Loss") or any(layer.loss_weight)


def is_measure(layer: LayerParameter) -> bool:
    """Whether the layer only measures how good the network is: a loss or an accuracy."""
    return layer.type.endswith("Loss") or layer.type == "Accuracy"


def main_measures(net: NetParameter) -> tuple[str, str]:
    """The outputs in validation that say how good the network is: an accuracy and a loss.

    Of several the last, since heads that only help the training come before it: of accuracies about
    its bottom the one with the smallest top_k, of losses the one with the largest weight.  Empty
    where there is none.
    """
    layers = [layer for layer in layers_in(net, VAL) if layer.top and layer.bottom]
    accuracies = [layer for layer in layers if layer.type == "Accuracy"]
    alike = [layer for layer in accuracies if layer.bottom[0] == accuracies[-1].bottom[0]]
    losses = [layer for layer in layers if layer.type.endswith("Loss")]
    accuracy = min(alike, key=lambda layer: layer.accuracy_param.top_k, default=None)
    loss = max(reversed(losses), key=lambda layer: (*layer.loss_weight, 1.0)[0], default=None)
    return accuracy.top[0] if accuracy else "", loss.top[0] if loss else ""


def label_blobs(net: NetParameter) -> set[str]:
    """The names of the blobs that carry labels: all tops of data layers but the first."""
    found = {DEFAULT_LABEL} | set(net.input[1:])
    for layer in net.layer:
        if layer.type in INPUT_TYPES:
            found.update(layer.top[1:])
    return found


def dependents(layers: Iterable[LayerParameter], blobs: Iterable[str]) -> set[str]:
    """`blobs`, and all blobs that are computed from them by `layers` (in file order)."""
    found = set(blobs)
    for layer in layers:
        if found.intersection(layer.bottom):
            found.update(layer.top)
    return found


def output_layers(net: NetParameter) -> list[LayerParameter]:
    """The InnerProduct and Convolution layers whose output is the network's, in file order.

    That is: whose top reaches a classification loss or accuracy that takes the label, or is read by
    nobody, with nothing in between that changes the number of channels.
    """
    labels = label_blobs(net)
    found: set[int] = set()
    for state in (TRAIN, VAL, DEPLOY):
        numbers = [n for n, layer in enumerate(net.layer) if is_included(layer, state)]
        layers = [net.layer[n] for n in numbers]
        roots = _score_blobs(layers, labels)
        if state is DEPLOY:
            roots += _unread_blobs(layers)
        found.update(numbers[n] for n in _makers(layers, roots))
    return [net.layer[n] for n in sorted(found)]


# A blob as it is read at a position: the last layer before it with that top made it.
_Read = tuple[int, str]


def _score_blobs(layers: Sequence[LayerParameter], labels: set[str]) -> list[_Read]:
    """Where scores are compared with labels."""
    from_labels = dependents(layers, labels)
    return [
        (position, layer.bottom[0])
        for position, layer in enumerate(layers)
        if layer.type in CLASSIFICATION_LOSSES | {"Accuracy"}
        and from_labels.intersection(layer.bottom[1:])
    ]


def _unread_blobs(layers: Sequence[LayerParameter]) -> list[_Read]:
    """Blobs that no layer reads, so that they are outputs."""
    read: set[str] = set()
    found = []
    for layer in reversed(layers):
        if not is_measure(layer):
            found += [(len(layers), top) for top in layer.top if top not in read]
        read.update(layer.bottom, layer.top)  # tops too: below, they are what works in place
    return found


def _makers(layers: Sequence[LayerParameter], reads: Iterable[_Read]) -> set[int]:
    """Positions of the layers with an output count from which the blobs come."""
    makers_of: dict[str, list[int]] = {}
    for position, layer in enumerate(layers):
        for top in layer.top:
            makers_of.setdefault(top, []).append(position)
    found: set[int] = set()
    to_visit, seen = list(reads), set(reads)
    while to_visit:
        position, blob = to_visit.pop()
        makers = makers_of.get(blob, [])
        nearest = bisect_left(makers, position) - 1
        if nearest < 0:
            continue
        maker = makers[nearest]
        if layers[maker].type in WITH_OUTPUT_COUNT:
            found.add(maker)
        elif layers[maker].type in PASS_THROUGH:
            new = {(maker, bottom) for bottom in layers[maker].bottom} - seen
            seen |= new
            to_visit += new
    return found
