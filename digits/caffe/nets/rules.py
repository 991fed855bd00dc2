"""Which layers of a net belong to a phase, level and list of stages (`include` and `exclude`).

In: a NetParameter whose `state` says phase, level and stages.  Out: a copy with the layers that
apply.  Source: Net::FilterNet and Net::StateMeetsRule in net.cpp, with their log remarks.
"""

from __future__ import annotations

import logging

from digits.caffe.errors import NetError
from digits.caffe.machine.log import at
from digits.caffe.proto import caffe_pb2

log = logging.getLogger(__name__)


def filter_net(net: caffe_pb2.NetParameter) -> caffe_pb2.NetParameter:
    """The net with only the layers whose rules fit `net.state`.

    Raises NetError for a layer that has both include and exclude rules.
    """
    filtered = caffe_pb2.NetParameter()
    filtered.CopyFrom(net)
    filtered.ClearField("layer")
    filtered.layer.extend(layer for layer in net.layer if is_included(layer, net.state))
    return filtered


def is_included(layer: caffe_pb2.LayerParameter, state: caffe_pb2.NetState) -> bool:
    """Whether a layer applies: any include rule fits, or there is none and no exclude rule fits."""
    if layer.include and layer.exclude:
        raise NetError(
            f"layer {layer.name!r}: Specify either include rules or exclude rules; not both."
        )
    if layer.include:
        return any(meets_rule(state, rule, layer.name) for rule in layer.include)
    return not any(meets_rule(state, rule, layer.name) for rule in layer.exclude)


def meets_rule(state: caffe_pb2.NetState, rule: caffe_pb2.NetStateRule, layer_name: str) -> bool:
    """Whether a state fits one rule; if not, the first reason is logged."""
    rejection = _rejection(state, rule)
    if rejection is None:
        return True
    line, reason = rejection
    log.info("%s specified by a rule in layer %s", reason, layer_name, extra=at(f"net.cpp:{line}"))
    return False


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
