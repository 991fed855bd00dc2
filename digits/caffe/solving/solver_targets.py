"""What a solver's own fields say of losses: `label_smoothing`, and `class_weight` of each class.

In: a SolverParameter, and the net that it trains.  Out: `Targets` for the layers of that net, or a
SolverError where none takes them.  Elsewhere: the loss (`layers/targets.py`, `layers/softmax.py`).
"""

from __future__ import annotations

import math

from digits.caffe.errors import SolverError
from digits.caffe.layers.softmax import SoftmaxWithLoss
from digits.caffe.layers.targets import Targets
from digits.caffe.net import Net
from digits.caffe.proto.caffe_pb2 import SolverParameter


def targets_of(param: SolverParameter) -> Targets:
    """What the solver says; SolverError for numbers that no loss can have."""
    smoothing, weights = param.label_smoothing, tuple(param.class_weight)
    if not 0 <= smoothing < 1:
        raise SolverError(f"label_smoothing must be 0 or more and below 1, received {smoothing:g}")
    for weight in weights:
        if not (math.isfinite(weight) and weight >= 0):
            raise SolverError(f"class_weight must be 0 or more and finite, received {weight:g}")
    return Targets(_as_written(smoothing), weights)


def require_a_loss(net: Net, param: SolverParameter) -> None:
    """SolverError where the solver asks for targets of its own, and no loss of the net has them."""
    asked = [name for name in ("label_smoothing", "class_weight") if getattr(param, name)]
    layers = net.engine_layers
    taken = any(isinstance(layer, SoftmaxWithLoss) and layer.targets.is_on for layer in layers)
    if asked and not taken:
        raise SolverError(
            f"{' and '.join(asked)}: for layers of the type SoftmaxWithLoss whose loss_weight is "
            "not 0, in the TRAIN phase; this net has none. Train without"
        )


def _as_written(value: float) -> float:
    """0.1 for the nearest float32, which is 0.10000000149."""
    return float(f"{value:.7g}")
