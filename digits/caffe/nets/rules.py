"""Which layers of a net belong to a phase, level and list of stages (`include` and `exclude`).

In: a NetParameter whose `state` says phase, level and stages.  Out: a copy with the layers that
apply.  Source: Net::FilterNet and Net::StateMeetsRule in net.cpp, with their log remarks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from digits.caffe.errors import NetError
from digits.caffe.machine.log import at
from digits.caffe.proto import caffe_pb2

log = logging.getLogger(__name__)

# Told the layer of a rule that does not fit, Caffe's log line and the reason.
Rejected = Callable[[caffe_pb2.LayerParameter, int, str], None]


def filter_net(net: caffe_pb2.NetParameter) -> caffe_pb2.NetParameter:
    """The net with only the layers whose rules fit `net.state`; why others are gone is logged.

    Raises NetError for a layer that has both include and exclude rules.
    """
    filtered = caffe_pb2.NetParameter()
    filtered.CopyFrom(net)
    filtered.ClearField("layer")
    filtered.layer.extend(
        layer for layer in net.layer if is_included(layer, net.state, rejected=_log_rejection)
    )
    return filtered


def is_included(
    layer: caffe_pb2.LayerParameter,
    state: caffe_pb2.NetState,
    rejected: Rejected = lambda layer, line, reason: None,
) -> bool:
    """Whether a layer applies: any include rule fits, or there is none and no exclude rule fits.

    `rejected` is told of each rule that does not fit.  Raises NetError for a layer with both kinds.
    """
    check_rules(layer)

    def fits(rule: caffe_pb2.NetStateRule) -> bool:
        rejection = _rejection(state, rule)
        if rejection is not None:
            rejected(layer, *rejection)
        return rejection is None

    if layer.include:
        return any(fits(rule) for rule in layer.include)
    return not any(fits(rule) for rule in layer.exclude)


def check_rules(layer: caffe_pb2.LayerParameter) -> None:
    """Raises NetError for a layer that has both include and exclude rules."""
    if layer.include and layer.exclude:
        raise NetError(
            f"layer {layer.name!r}: Specify either include rules or exclude rules; not both."
        )


def _log_rejection(layer: caffe_pb2.LayerParameter, line: int, reason: str) -> None:
    log.info("%s specified by a rule in layer %s", reason, layer.name, extra=at(f"net.cpp:{line}"))


def _rejection(state: caffe_pb2.NetState, rule: caffe_pb2.NetStateRule) -> tuple[int, str] | None:
    """Caffe's log line and its text; `max_level` is "above" there too."""
    if rule.HasField("phase") and rule.phase != state.phase:
        return 296, f"The NetState phase ({state.phase}) differed from the phase ({rule.phase})"
    if rule.HasField("min_level") and state.level < rule.min_level:
        return 306, f"The NetState level ({state.level}) is above the min_level ({rule.min_level})"
    if rule.HasField("max_level") and state.level > rule.max_level:
        return 316, f"The NetState level ({state.level}) is above the max_level ({rule.max_level})"
    for stage in rule.stage:
        if stage not in state.stage:
            return 332, f"The NetState did not contain stage '{stage}'"
    for stage in rule.not_stage:
        if stage in state.stage:
            return 347, f"The NetState contained a not_stage '{stage}'"
    return None
