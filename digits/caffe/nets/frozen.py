"""The part of a net that gives the same for a picture in every pass, and runs once therefore.

A layer belongs to it where its parameters do not learn, nothing in it is left to chance, each
item's top depends on that item alone, and the same holds for all layers below it down to the
pictures of one Data layer.  What other layers read of it are its features.

In: the `Parts` of a built net.  Out: a `FrozenPart`, which computes features of pictures, and takes
its own place in the net: from then on its layers do not run, and the Data layer hands out features
in place of pictures.
Elsewhere: where features are kept (`solving/feature_store.py`), who decides
(`solving/features.py`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import torch

from digits.caffe.layers.batch_norm import BatchNorm
from digits.caffe.layers.data import DataLayer
from digits.caffe.layers.prefetching_data import PrefetchingDataLayer
from digits.caffe.nets.folding import Fold, find_folds, folded
from digits.caffe.nets.nodes import Node, Parts
from digits.caffe.nets.passes import Passes
from digits.caffe.proto import caffe_pb2

# Types whose tops depend on each item alone, where their axes are not that of the items.
BY_ITEM = frozenset(
    {
        *("AbsVal", "BNLL", "BatchNorm", "Bias", "Clip", "Concat", "Convolution", "Crop"),
        *("Deconvolution", "Dropout", "ELU", "Eltwise", "Exp", "Flatten", "InnerProduct", "LRN"),
        *("Log", "MVN"),
        *("PReLU", "Pooling", "Power", "ReLU", "SPP", "Scale", "Sigmoid", "Slice", "Softmax"),
        *("Split", "Swish", "TanH", "Threshold"),
    }
)
# Without any of these there is nothing to save.
COSTLY = frozenset({"Convolution", "Deconvolution", "InnerProduct", "LRN"})
# Fields of a layer that do not change what it computes.
_WITHOUT_EFFECT = (
    *("name", "bottom", "top", "param", "blobs", "include", "exclude", "phase", "loss_weight"),
    "propagate_down",
)


class NothingFrozen(Exception):
    """There is no such part; says why."""


@dataclass(eq=False)
class FrozenPart:
    """The layers `nodes` behind the pictures of the Data layer `data`; `features` are blobs."""

    parts: Parts
    data: Node
    nodes: list[Node]
    features: list[int]
    folds: list[Fold] = field(default_factory=list)

    @property
    def layer(self) -> DataLayer:
        layer = self.data.layer
        assert isinstance(layer, DataLayer)  # noqa: S101  # `find_frozen` looked
        return layer

    @property
    def names(self) -> list[str]:
        """What the blobs of the features are called."""
        return [self.parts.blob_names[blob] for blob in self.features]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the features of one picture."""
        return [self.parts.blobs[blob].shape[1:] for blob in self.features]

    def digest(self) -> str:
        """What the features depend on beside the pictures: layers, connections and weights."""
        found = hashlib.sha256()
        numbers = {self.data.tops[0]: 0}
        for node in self.nodes:
            message = caffe_pb2.LayerParameter()
            message.CopyFrom(node.layer.param)
            for name in _WITHOUT_EFFECT:
                message.ClearField(name)
            bottoms = [numbers[blob] for blob in node.bottoms]
            tops = [numbers.setdefault(blob, len(numbers)) for blob in node.tops]
            found.update(repr((node.type, bottoms, tops)).encode())
            found.update(message.SerializeToString(deterministic=True))
            for use in node.params:
                values = use.blob.tensor().detach().cpu().contiguous()
                found.update(repr(tuple(use.shape)).encode())
                found.update(values.view(-1).numpy().data)
        found.update(repr([numbers[blob] for blob in self.features]).encode())
        return found.hexdigest()

    def compute(self, passes: Passes, pictures: torch.Tensor) -> list[torch.Tensor]:
        """The features of a batch of pictures (n, c, h, w), on the net's device."""
        blobs = self.parts.blobs
        blobs[self.data.tops[0]].assign(pictures)
        with torch.no_grad(), folded(self.folds, blobs) as instead:
            for node in self.nodes:
                if node in instead:
                    instead[node]()
                elif not node.joined:
                    passes.run_alone(node)
        return [blobs[blob].tensor().detach() for blob in self.features]

    def give_way(self) -> None:
        """Run none of these layers any more: the Data layer hands out their features."""
        self.data.tops = [*self.features, *self.data.tops[1:]]
        self.data.loss_weights = [0.0] * len(self.data.tops)
        for node in self.nodes:
            node.joined = True


def find_frozen(parts: Parts) -> FrozenPart:
    """The part of a net that runs once.  Raises NothingFrozen."""
    data = _data_node(parts)
    if parts.param.force_backward:
        raise NothingFrozen("force_backward asks for the gradients of all layers")
    pictures = data.tops[0]
    known = {pictures}
    frozen: list[Node] = []
    features: list[int] = []
    for node in parts.nodes:
        if node is data:
            continue
        if node.bottoms and known.issuperset(node.bottoms) and _is_constant(node, parts):
            frozen.append(node)
            known.update(node.tops)
            continue
        features += [b for b in node.bottoms if b in known and b not in features]
        known.difference_update(node.tops)
    features += [blob for blob in parts.outputs if blob in known and blob not in features]
    if pictures in features:
        raise NothingFrozen("layers that learn read the pictures themselves")
    frozen = _without_last_splits(frozen, features)
    if not any(node.type in COSTLY for node in frozen):
        raise NothingFrozen("no layer below the first one that learns, or is random, takes time")
    return FrozenPart(parts, data, frozen, features, find_folds(frozen))


def _data_node(parts: Parts) -> Node:
    sources = [node for node in parts.nodes if isinstance(node.layer, PrefetchingDataLayer)]
    if len(sources) != 1 or not isinstance(sources[0].layer, DataLayer):
        types = ", ".join(node.type for node in sources) or "none"
        raise NothingFrozen(
            f"pictures come from one layer of the type Data alone, not from {types}"
        )
    return sources[0]


def _without_last_splits(nodes: list[Node], features: list[int]) -> list[Node]:
    """Leave a Split to the rest of the net where all that it makes are features: copies of one."""
    kept = list(nodes)
    for node in reversed(nodes):
        if node.type == "Split" and set(node.tops) <= set(features):
            kept.remove(node)
            features[:] = [blob for blob in features if blob not in node.tops]
            features.append(node.bottoms[0])
    return kept


def _is_constant(node: Node, parts: Parts) -> bool:
    """Whether the layer's tops follow from its bottoms alone, each item's from that item."""
    if node.type not in BY_ITEM or any(node.loss_weights):
        return False
    if any(parts.lr_mults[use.learnable] for use in node.params):
        return False
    return not _is_random(node) and _goes_by_items(node, parts)


def _is_random(node: Node) -> bool:
    param, training = node.layer.param, node.layer.training
    if node.type == "Dropout":
        return training
    stochastic = caffe_pb2.PoolingParameter.STOCHASTIC
    return node.type == "Pooling" and param.pooling_param.pool == stochastic and training


def _goes_by_items(node: Node, parts: Parts) -> bool:
    """Whether the first axis, that of the items, is left alone."""
    layer, param = node.layer, node.layer.param
    if isinstance(layer, BatchNorm):
        return layer.global_stats
    axis = {
        "Concat": param.concat_param.axis,
        "Slice": param.slice_param.axis,
        "Crop": param.crop_param.axis,
        "Softmax": param.softmax_param.axis,
        "Flatten": param.flatten_param.axis,
        "InnerProduct": param.inner_product_param.axis,
        "Convolution": param.convolution_param.axis,
        "Deconvolution": param.convolution_param.axis,
        "Scale": param.scale_param.axis,
        "Bias": param.bias_param.axis,
    }.get(node.type, 1)
    if param.concat_param.HasField("concat_dim"):
        axis = param.concat_param.concat_dim
    if param.slice_param.HasField("slice_dim"):
        axis = param.slice_param.slice_dim
    axes = len(parts.blobs[node.bottoms[0]].shape)
    small_scalar = node.type in ("Scale", "Bias") and len(node.bottoms) > 1
    return bool(axes) and axis % axes != 0 and not small_scalar
