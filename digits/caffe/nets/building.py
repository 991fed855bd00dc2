"""Build a net from its message: layers, blobs, parameters, in Caffe's order with its log remarks.

In: a NetParameter in the current form with its `state`, and the layers' context.  Out: `Parts`.
The steps: keep the layers of the state (`rules.py`), insert splits (`splits.py`), then layer by
layer find its bottoms, make its tops, set it up, fill or share its parameters; last, find out what
needs a gradient (`gradients.py`).  Source: Net::Init in net.cpp.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Sequence
from dataclasses import replace

import torch

from digits.caffe.blob import Blob, check_shape, shape_string
from digits.caffe.errors import LayerError, NetError
from digits.caffe.formats.prototxt import to_text
from digits.caffe.layers import fillers
from digits.caffe.layers.base import Layer, LayerContext, ParamSlot, Phase
from digits.caffe.layers.registry import create_layer
from digits.caffe.machine.log import at, number
from digits.caffe.nets.gradients import find_needs
from digits.caffe.nets.net_blob import NetBlob
from digits.caffe.nets.nodes import Node, Parts
from digits.caffe.nets.rules import filter_net
from digits.caffe.nets.sharing import ParamTable
from digits.caffe.nets.splits import insert_splits
from digits.caffe.proto import caffe_pb2

log = logging.getLogger(__name__)

AUTOMATIC = "(automatic)"
_FLOAT_BYTES = 4
_PHASES = {Phase.TRAIN: caffe_pb2.TRAIN, Phase.TEST: caffe_pb2.TEST}


def build(net: caffe_pb2.NetParameter, context: LayerContext) -> Parts:
    """The parts of a net.

    Raises NetError, or LayerError which names the layer, for a net that cannot be built; layers
    that were already set up are closed again.
    """
    filtered = filter_net(net)
    if log.isEnabledFor(logging.INFO):
        text = to_text(filtered).removesuffix("\n")
        log.info("Initializing net from parameters: \n%s", text, extra=at("net.cpp:53"))
    builder = _Builder(insert_splits(filtered), context)
    try:
        return builder.run()
    except BaseException:
        for node in builder.parts.nodes:
            node.layer.close()
        raise


class _Builder:
    """Caffe's Net::Init as a sequence of steps over growing `parts`."""

    def __init__(self, net: caffe_pb2.NetParameter, context: LayerContext) -> None:
        self.parts = Parts(net)
        self.context = context
        self.ids: dict[str, int] = {}  # number of the blob that has a name
        self.writers: dict[int, Node] = {}  # the layer that last wrote a blob
        self.unused: set[str] = set()  # tops that are nobody's bottom so far
        self.sharing = ParamTable(self.parts)
        self.memory = 0  # values in all tops

    def run(self) -> Parts:
        for param in self.parts.param.layer:
            if not param.HasField("phase"):
                param.phase = _PHASES[self.context.phase]
            self._add(param)
        find_needs(self.parts)
        self._find_outputs()
        self._find_last_uses()
        log.info("Network initialization done.", extra=at("net.cpp:257"))
        return self.parts

    def _add(self, param: caffe_pb2.LayerParameter) -> None:
        node = self._create(param)
        log.info("Creating Layer %s", param.name, extra=at("net.cpp:86"))
        need = False
        for index in range(len(param.bottom)):
            need |= self.parts.blob_needs[self._connect_bottom(node, index)]
        self._make_tops(node)
        self._set_up(node)
        self._add_params(node)
        node.needs_backward = need or any(use.needs_gradient for use in node.params)
        if node.needs_backward:
            for top in node.tops:
                self.parts.blob_needs[top] = True

    def _create(self, param: caffe_pb2.LayerParameter) -> Node:
        if param.propagate_down and len(param.propagate_down) != len(param.bottom):
            raise LayerError(
                param.name,
                param.type,
                "propagate_down param must be specified either 0 or bottom_size times, received "
                f"{len(param.propagate_down)} for {len(param.bottom)} bottom(s)",
            )
        log.info("Creating layer %s", param.name, extra=at("layer_factory.hpp:77"))
        own = caffe_pb2.LayerParameter()
        own.CopyFrom(param)
        # As in Caffe, a layer may name the phase that it works in.
        context = self.context
        if own.phase != int(context.phase):
            context = replace(context, phase=Phase(own.phase))
        node = Node(create_layer(own, context), param)
        if node.layer.is_loss and not own.loss_weight:
            # Tops beyond the loss itself (probabilities) weigh nothing.
            own.loss_weight.extend([1.0, *[0.0] * (len(param.top) - 1)])
        self.parts.nodes.append(node)
        return node

    def _connect_bottom(self, node: Node, index: int) -> int:
        name = node.param.bottom[index]
        if name not in self.unused:
            raise node.layer.error(f"Unknown bottom blob '{name}' (bottom index {index})")
        blob = self.ids[name]
        log.info("%s <- %s", node.name, name, extra=at("net.cpp:408"))
        node.bottoms.append(blob)
        self.unused.discard(name)
        # Splits have given each use of a blob a name of its own, so propagate_down fits as it is.
        asked = node.param.propagate_down
        node.bottom_needs.append(asked[index] if asked else self.parts.blob_needs[blob])
        return blob

    def _make_tops(self, node: Node) -> None:
        param = node.param
        for index, name in enumerate(param.top):
            if index < len(param.bottom) and name == param.bottom[index]:
                self._reuse_bottom(node, index, name)
            elif name in self.ids:
                raise node.layer.error(
                    f"Top blob '{name}' produced by multiple sources: a layer above has that top "
                    "already. Only a layer that works in place may write it again, with bottom "
                    "and top in the same position, before any other layer uses it"
                )
            else:
                self.ids[name] = self._new_blob(node, name)
            self.unused.add(name)
            if param.type == "Input":
                self.parts.inputs.append(len(self.parts.blobs) - 1)
        if node.layer.is_loss:
            wanted = max(node.layer.min_tops or 0, node.layer.exact_tops or 0)
            for _ in range(len(param.top), wanted):
                self._new_blob(node, AUTOMATIC)

    def _new_blob(self, node: Node, name: str) -> int:
        log.info("%s -> %s", node.name, name, extra=at("net.cpp:382"))
        self.parts.blobs.append(NetBlob((), self.context.device, self.context.dtype))
        self.parts.blob_names.append(name)
        self.parts.blob_needs.append(False)
        self.parts.blob_loss_weights.append(0.0)
        node.tops.append(len(self.parts.blobs) - 1)
        return node.tops[-1]

    def _reuse_bottom(self, node: Node, index: int, name: str) -> None:
        log.info("%s -> %s (in-place)", node.name, name, extra=at("net.cpp:369"))
        if not node.layer.allows_in_place:
            raise node.layer.error(
                f"{node.type} Layer does not allow in-place computation: give the top another name "
                f"than its bottom {name!r}"
            )
        blob = node.bottoms[index]
        node.tops.append(blob)
        node.layer.in_place = True
        node.layer.bottom_is_free = self.writers[blob].layer.top_may_be_overwritten

    def _set_up(self, node: Node) -> None:
        layer = node.layer
        check_counts(layer, len(node.bottoms), len(node.tops))
        bottoms = [self.parts.blobs[i].shape for i in node.bottoms]
        layer.setup(bottoms)
        if _has_inner_layer(layer.param):
            log.info("Creating layer %s", node.name, extra=at("layer_factory.hpp:77"))
        slots = layer.param_slots(bottoms)
        layer.params = [self._filled(layer, slot) for slot in slots]
        node.bottom_shapes = [torch.Size(shape) for shape in bottoms]
        reshape_tops(node, self.parts.blobs)
        for top, tensor in zip(node.tops, layer.initial_tops(), strict=False):
            if tensor is not None:
                self.parts.blobs[top].assign(tensor)
        node.loss_weights = self._loss_weights(node)
        for top in node.tops:
            self.writers[top] = node
        self._log_tops(node)

    def _filled(self, layer: Layer, slot: ParamSlot) -> torch.Tensor:
        as_pictures = self.context.channels_last and len(slot.shape) == 4
        try:
            tensor = torch.empty(
                check_shape(slot.shape),
                device=self.context.device,
                dtype=self.context.dtype,
                memory_format=torch.channels_last if as_pictures else torch.contiguous_format,
            )
            fillers.fill(tensor, slot.filler, self.context.random)
        except NetError as err:
            raise layer.error(str(err)) from err
        except RuntimeError as err:
            raise layer.error(f"no memory for a parameter of {shape_string(slot.shape)}") from err
        return tensor

    def _loss_weights(self, node: Node) -> list[float]:
        given = list(node.layer.param.loss_weight)
        if not given:
            return [0.0] * len(node.tops)
        if len(given) != len(node.tops):
            raise node.layer.error(
                "loss_weight must be unspecified or specified once per top blob, received "
                f"{len(given)} for {len(node.tops)} top(s)"
            )
        for top, weight in zip(node.tops, given, strict=True):
            if weight:
                blob = self.parts.blobs[top]
                blob.assign_diff(blob.diff_tensor().fill_(weight))
        return given

    def _log_tops(self, node: Node) -> None:
        log.info("Setting up %s", node.name, extra=at("net.cpp:124"))
        for top, weight in zip(node.tops, node.loss_weights, strict=True):
            blob = self.parts.blobs[top]
            self.parts.blob_loss_weights[top] = weight
            log.info("Top shape: %s", shape_string(blob.shape), extra=at("net.cpp:131"))
            if weight:
                log.info("    with loss weight %s", number(weight), extra=at("net.cpp:134"))
            self.memory += blob.count
        memory = self.memory * _FLOAT_BYTES
        log.info("Memory required for data: %d", memory, extra=at("net.cpp:139"))

    def _add_params(self, node: Node) -> None:
        specs = node.param.param
        if len(specs) > len(node.layer.params):
            raise node.layer.error(
                f"Too many params specified: {len(specs)} param, but the layer has "
                f"{len(node.layer.params)} parameter(s)"
            )
        for index, tensor in enumerate(node.layer.params):
            # As in Caffe: what the prototxt says, not what the layer completed it to (BatchNorm).
            needs = index >= len(specs) or specs[index].lr_mult != 0
            node.params.append(self.sharing.add(node, index, tensor, needs))

    def _find_outputs(self) -> None:
        for name in sorted(self.unused):
            log.info("This network produces output %s", name, extra=at("net.cpp:244"))
            self.parts.outputs.append(self.ids[name])

    def _find_last_uses(self) -> None:
        """Tell each layer which of its bottoms nobody reads after it."""
        wanted = set(self.parts.outputs)
        for node in self.parts.nodes:
            if node.layer.keeps_tops:
                wanted.update(node.tops)
        for node in reversed(self.parts.nodes):
            node.last_uses = [blob for blob in node.bottoms if blob not in wanted]
            wanted.update(node.bottoms)


def _has_inner_layer(param: caffe_pb2.LayerParameter) -> bool:
    """Whether Caffe makes another layer within this one, and says so in its log."""
    if param.type == "Scale":
        return param.scale_param.bias_term
    return param.type in ("SoftmaxWithLoss", "InfogainLoss")


def check_counts(layer: Layer, bottoms: int, tops: int) -> None:
    """Raise LayerError unless the layer type takes so many bottoms and tops."""
    takes, gives = "takes {}{} bottom blob(s) as input", "produces {}{} top blob(s) as output"
    for wanted, received, fits, wording, how in (
        (layer.exact_bottoms, bottoms, operator.eq, takes, ""),
        (layer.min_bottoms, bottoms, operator.le, takes, "at least "),
        (layer.max_bottoms, bottoms, operator.ge, takes, "at most "),
        (layer.exact_tops, tops, operator.eq, gives, ""),
        (layer.min_tops, tops, operator.le, gives, "at least "),
        (layer.max_tops, tops, operator.ge, gives, "at most "),
    ):
        if wanted is not None and not fits(wanted, received):
            raise layer.error(
                f"{layer.param.type} Layer {wording.format(how, wanted)}, received {received}"
            )
    if layer.equal_bottoms_tops and bottoms != tops:
        raise layer.error(
            f"{layer.param.type} Layer produces one top blob as output for each bottom blob input, "
            f"received {bottoms} bottom(s) and {tops} top(s)"
        )


def reshape_tops(node: Node, blobs: Sequence[Blob]) -> None:
    """Give the tops the shapes that the layer answers for `node.bottom_shapes`."""
    shapes = node.layer.reshape([tuple(shape) for shape in node.bottom_shapes])
    for top, shape in zip(node.tops, shapes, strict=True):
        if shape is not None:
            try:
                blobs[top].reshape(*shape)
            except NetError as err:
                raise node.layer.error(str(err)) from err
