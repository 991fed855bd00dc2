"""A trained network as programs elsewhere take it, which know pixels and a mean file, and no scale.

In: the deployed network, and how its pictures are prepared.  Out: what stands in the archive, so
that pycaffe's Classifier, `examples/classification` of the original DIGITS and OpenCV's
`readNetFromCaffe` predict what the pages do: the network multiplies by the scale itself, and mean
values are a mean file like any other.
"""

from __future__ import annotations

from collections.abc import Sequence

from digits.caffe.proto.caffe_pb2 import BlobProto, LayerParameter, NetParameter
from digits.model.network.names import free_name

SCALED = "scaled"


def with_scale(deploy: NetParameter, scale: float) -> NetParameter:
    """The network with a Power layer that multiplies its pictures by `scale`, before all others.

    The input keeps its name, and is told by the network's fields, where scripts look for its shape.
    The layer does not work in place, since programs set the input once and run the network again.
    """
    result = NetParameter()
    result.CopyFrom(deploy)
    result.ClearField("layer")
    for layer in deploy.layer:
        shapes = layer.input_param.shape
        if layer.type == "Input" and shapes:
            result.input.extend(layer.top)
            result.input_shape.extend(
                shapes[min(n, len(shapes) - 1)] for n in range(len(layer.top))
            )
    if scale == 1 or not result.input:
        return deploy
    pictures, scaled = result.input[0], _new_name(deploy)
    power = result.layer.add(name=scaled, type="Power", bottom=[pictures], top=[scaled])
    power.power_param.scale = scale
    result.layer.extend(
        _renamed(layer, pictures, scaled) for layer in deploy.layer if layer.type != "Input"
    )
    return result


def mean_of_values(values: Sequence[float], channels: int, height: int, width: int) -> bytes:
    """A mean file (BlobProto) of one value a channel, or one for all, in B,G,R order."""
    each = values if len(values) == channels else [values[0]] * channels
    # The fields that scripts of Caffe's first years look for.
    blob = BlobProto(num=1, channels=channels, height=height, width=width)
    for value in each:
        blob.data.extend([value] * (height * width))
    return blob.SerializeToString()


def _new_name(net: NetParameter) -> str:
    """A name that neither a layer nor a blob has."""
    taken = {*net.input, *(layer.name for layer in net.layer)}
    taken.update(top for layer in net.layer for top in layer.top)
    return free_name(SCALED, taken)


def _renamed(layer: LayerParameter, old: str, new: str) -> LayerParameter:
    copy = LayerParameter()
    copy.CopyFrom(layer)
    copy.bottom[:] = [new if blob == old else blob for blob in layer.bottom]
    copy.top[:] = [new if blob == old else blob for blob in layer.top]
    return copy
