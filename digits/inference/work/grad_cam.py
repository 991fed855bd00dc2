"""Grad-CAM: where in a picture the network saw a class.

The gradient of the class's score by the maps of the last spatial layer, averaged over each map,
weighs the maps; what is left above zero is where the class was found.
Source: Selvaraju et al., "Grad-CAM", 2017, equations 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits.caffe.layers.base import Phase
from digits.caffe.net import Net
from digits.inference.errors import BadRequest
from digits.inference.work.loaded import LoadedNetwork

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Explanation:
    """The heat map (h, w), at least 0, of the layer's size; and what it was computed from."""

    heat: Floats
    layer: str
    label: str


class GradCam:
    """Explains one network's decisions; needs a second net, which keeps its blobs."""

    def __init__(self, network: LoadedNetwork) -> None:
        self._network = network
        param = type(network.param)()
        param.CopyFrom(network.param)
        param.force_backward = True
        self._net = Net(param, Phase.TEST, context=network.context)
        self._net.share_with(network.net)

    def explain(self, class_index: int, layer: str | None = None) -> Explanation:
        """The heat map of a class for the picture in the network's input.

        `layer`: whose first top is looked at, None for the last that has height and width.
        Raises BadRequest when there is no such class or layer.
        """
        labels = self._network.labels
        if not 0 <= class_index < len(labels):
            raise BadRequest(
                f"There is no category {class_index}; there are {len(labels)}, counted from 0."
            )
        self._forward()
        score_layer = self._score_layer()
        maps_layer = layer or self._last_spatial_layer(score_layer)
        maps, gradient = self._gradient(score_layer, maps_layer, class_index)
        weights = gradient.mean(axis=(1, 2))
        heat = np.maximum(np.tensordot(weights, maps, axes=1), 0)
        return Explanation(np.asarray(heat, np.float32), maps_layer, labels[class_index])

    def _forward(self) -> None:
        source = self._network.net.blobs[self._network.input_name]
        blob = self._net.blobs[self._network.input_name]
        blob.reshape(*source.shape)
        blob.data[...] = source.data
        self._network.use_free_cores()
        self._net.forward()

    def _score_layer(self) -> str:
        """The layer whose top has the scores before they are brought to a sum of one.

        After the Softmax, the gradient would speak of the other classes as well.
        """
        output = self._network.output_name
        for name, layer in reversed(self._net.layer_dict.items()):
            if output in self._net.top_names[name]:
                if layer.type != "Softmax":
                    return name
                output = self._net.bottom_names[name][0]
        raise BadRequest("The network's output is not made by a layer.")

    def _last_spatial_layer(self, score_layer: str) -> str:
        names = list(self._net.layer_dict)
        for name in reversed(names[: names.index(score_layer)]):
            tops = self._net.top_names[name]
            if tops and self._is_spatial(tops[0]) and self._net.bottom_names[name]:
                return name
        raise BadRequest("The network has no layer with height and width to look at.")

    def _is_spatial(self, blob: str) -> bool:
        shape = self._net.blobs[blob].shape
        return len(shape) == 4 and shape[2] * shape[3] > 1

    def _gradient(
        self, score_layer: str, maps_layer: str, class_index: int
    ) -> tuple[Floats, Floats]:
        """The maps (c, h, w) and the gradient of the class's score by them."""
        net = self._net
        if maps_layer not in net.layer_dict or not net.top_names[maps_layer]:
            raise BadRequest(f"The network has no layer {maps_layer!r} with a top.")
        maps_blob = net.blobs[net.top_names[maps_layer][0]]
        if len(maps_blob.shape) != 4:
            raise BadRequest(f"Layer {maps_layer!r} gives no maps: its top is {maps_blob.shape}.")
        names = list(net.layer_dict)
        after = names.index(maps_layer) + 1
        if after > names.index(score_layer):
            raise BadRequest(
                f"Layer {maps_layer!r} does not lie below the scores of the categories."
            )
        for name in names[after : names.index(score_layer) + 1]:
            for top in net.top_names[name]:
                net.blobs[top].diff[...] = 0
        score = net.blobs[net.top_names[score_layer][0]]
        score.diff.reshape(score.shape[0], score.shape[1], -1)[:, class_index] = 1
        maps = np.array(maps_blob.data[0])
        net.backward(start=score_layer, end=names[after])
        return maps, np.array(maps_blob.diff[0])
