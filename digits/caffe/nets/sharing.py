"""The parameters of a net: who owns each, who shares it by name, what its rates are, who uses it.

`param { name: "w" }` in several layers makes them use one parameter: the first owns it, the others
must ask for the same shape (share_mode PERMISSIVE: the same count) and the same multipliers, where
they give any.  Source: Net::AppendParam in net.cpp.
"""

from __future__ import annotations

import logging
import math

import torch

from digits.caffe.blob import ParamBlob, ReshapedParam, shape_string
from digits.caffe.errors import NetError
from digits.caffe.machine.log import at, number
from digits.caffe.nets.nodes import NetParam, Node, Parts
from digits.caffe.proto import caffe_pb2

log = logging.getLogger(__name__)


class ParamTable:
    """Fills `params`, `learnable` and the multipliers of `parts`, layer by layer."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._owners: dict[str, int] = {}  # number of the parameter that owns a name
        self._given: set[tuple[int, str]] = set()  # multipliers that some prototxt line gives

    def add(self, node: Node, index: int, tensor: torch.Tensor, needs: bool) -> NetParam:
        """Add parameter `index` of a layer; NetError if it cannot be shared as asked."""
        specs = node.layer.param.param
        spec = specs[index] if index < len(specs) else caffe_pb2.ParamSpec()
        owner = self._owners.get(spec.name, -1) if spec.name else -1
        if owner < 0:
            blob, learnable = ParamBlob(tensor), len(self._parts.learnable)
            self._own(blob, learnable, spec)
        else:
            self._check_sharing(node, spec, self._parts.params[owner], tuple(tensor.shape))
            blob, learnable = self._parts.params[owner].blob, self._parts.params[owner].learnable
            self._agree(spec, learnable)
            if blob.shape != tuple(tensor.shape):
                blob = ReshapedParam(blob, tuple(tensor.shape))
        use = NetParam(
            blob=blob,
            display_name=spec.name or str(index),
            layer_index=len(self._parts.nodes) - 1,
            index=index,
            owner=owner,
            learnable=learnable,
            needs_gradient=needs,
            shape=tuple(tensor.shape),
        )
        self._parts.params.append(use)
        return use

    def _own(self, blob: ParamBlob, learnable: int, spec: caffe_pb2.ParamSpec) -> None:
        if spec.name:
            self._owners[spec.name] = len(self._parts.params)
        self._parts.learnable.append(blob)
        self._parts.lr_mults.append(spec.lr_mult)
        self._parts.decay_mults.append(spec.decay_mult)
        self._given |= {
            (learnable, name) for name in ("lr_mult", "decay_mult") if spec.HasField(name)
        }

    def _check_sharing(
        self, node: Node, spec: caffe_pb2.ParamSpec, owner: NetParam, shape: tuple[int, ...]
    ) -> None:
        owner_name = self._parts.nodes[owner.layer_index].name
        log.info(
            "Sharing parameters '%s' owned by layer '%s', param index %d",
            spec.name,
            owner_name,
            owner.index,
            extra=at("net.cpp:467"),
        )
        permissive = spec.share_mode == caffe_pb2.ParamSpec.PERMISSIVE
        fits = math.prod(shape) == math.prod(owner.shape) if permissive else shape == owner.shape
        if not fits:
            what, verb = ("count", "shape is") if permissive else ("shape", "expects shape")
            raise NetError(
                f"Cannot share param '{spec.name}' owned by layer '{owner_name}' with layer "
                f"'{node.name}'; {what} mismatch.  Owner layer param shape is "
                f"{shape_string(owner.shape)}; sharing layer {verb} {shape_string(shape)}"
            )

    def _agree(self, spec: caffe_pb2.ParamSpec, learnable: int) -> None:
        """Take a multiplier that only a later user gives; both must give the same."""
        for name, values in (
            ("lr_mult", self._parts.lr_mults),
            ("decay_mult", self._parts.decay_mults),
        ):
            if not spec.HasField(name):
                continue
            asked, known = getattr(spec, name), values[learnable]
            if (learnable, name) in self._given and asked != known:
                raise NetError(
                    f"Shared param '{spec.name}' has mismatched {name}: {number(asked)} here, "
                    f"{number(known)} before."
                )
            values[learnable] = asked
            self._given.add((learnable, name))


def bind_params(parts: Parts) -> None:
    """Hand the layers their parameters; again after a parameter's memory was replaced."""
    for use in parts.params:
        leaf = use.blob.leaf
        if tuple(leaf.shape) != use.shape and not leaf.is_contiguous():
            use.blob.share(leaf.contiguous())
    for node in parts.nodes:
        node.layer.params = [_bound(use) for use in node.params]


def _bound(use: NetParam) -> torch.Tensor:
    """The tensor that a layer computes with: the parameter itself, or a view of it."""
    tensor = use.blob.leaf if use.needs_gradient else use.blob.leaf.detach()
    return tensor if tuple(tensor.shape) == use.shape else tensor.view(use.shape)
