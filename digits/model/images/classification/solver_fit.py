"""Whether what the solver is to do can be had of the program that trains, and of the network.

In: settings that a form has checked.  Out: FormError at the fields that a real Caffe knows nothing
of (its parser would end the training with the name of a field), and at those for a loss that the
network does not have.  Elsewhere: each field by itself (`model/solver_form.py`, `loss_form.py`,
`forms.py`), what a training says all the same (`model/training/failure.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from digits.caffe.proto.caffe_pb2 import LayerParameter, NetParameter
from digits.errors import FormError
from digits.model.images.classification.settings import ImageClassificationModelSettings as Settings
from digits.model.network import graph
from digits.model.training.solver import UNWEIGHTED

SOFTMAX_LOSS = "SoftmaxWithLoss"
NOT_BY_CAFFE = (
    "This server trains by a real Caffe (CAFFE_ROOT), which {}. {}, or have whoever runs the "
    "server unset CAFFE_ROOT to train with DIGITS' own engine."
)
# What a real Caffe does not have, and what to do without it.
OUR_OWN = {
    "lr_policy": ("cosine decay", "Choose another policy"),
    "lr_warmup": ("warm-up of the learning rate", "Enter 0"),
    "label_smoothing": ("label smoothing", "Enter 0"),
    "class_weights": ("class weights", "Choose None"),
}
NO_LOSS = (
    "The network has no layer of the type SoftmaxWithLoss that it learns by, and {} is for its "
    "loss. {}, or end the network with that layer."
)


def check_solver(settings: Settings, caffe_root: str) -> None:
    """Raise FormError at each field that asks a real Caffe for what it does not have."""
    if not caffe_root:
        return
    asked = {
        "lr_policy": settings.lr_policy == "cosine",
        "lr_warmup": settings.lr_warmup > 0,
        **_of_the_loss(settings),
    }
    _refuse(asked, NOT_BY_CAFFE.format("knows no {}", "{}"))


def check_loss(settings: Settings, net: NetParameter) -> None:
    """The same at each field that changes a loss, where the network of a training has none."""
    layers = graph.layers_in(net, graph.TRAIN)
    if not any(layer.type == SOFTMAX_LOSS and _counts(layer) for layer in layers):
        _refuse(_of_the_loss(settings), NO_LOSS)


def _of_the_loss(settings: Settings) -> dict[str, bool]:
    return {
        "label_smoothing": settings.label_smoothing > 0,
        "class_weights": settings.class_weights != UNWEIGHTED,
    }


def _counts(layer: LayerParameter) -> bool:
    return not layer.loss_weight or any(layer.loss_weight)


def _refuse(asked: Mapping[str, bool], why: str) -> None:
    wrong = {name: [why.format(*OUR_OWN[name])] for name in asked if asked[name]}
    if wrong:
        raise FormError(wrong)
