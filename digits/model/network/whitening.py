"""Each picture brought to mean 0 and standard deviation 1, by a layer at the network's start.

Caffe's MVN layer does that, in training, validation and use alike, and stands in deploy.prototxt:
whoever uses the network has no part in it.  (DIGITS 6 whitened pictures of the training only, so
that the network saw others in use.)
"""

from __future__ import annotations

from collections.abc import Sequence

from digits.caffe.proto.caffe_pb2 import LayerParameter, NetParameter
from digits.model.network.errors import NetworkError

WHITENING_LAYER = "data-whitening"


def add_whitening(net: NetParameter, blobs: Sequence[str]) -> None:
    """Put the layer in front of a network whose pictures are these blobs, by phase.

    A network that has it already stays as it is.  Raises NetworkError where pictures have other
    names in validation than in training.
    """
    if any(layer.name == WHITENING_LAYER for layer in net.layer):
        return
    if len(set(blobs)) > 1:
        raise NetworkError(
            f"The pictures are called {blobs[0]!r} in training and {blobs[1]!r} in validation. For "
            "whitening they need one name: change the top of one of the Data layers."
        )
    whitening = LayerParameter(name=WHITENING_LAYER, type="MVN", bottom=blobs[:1], top=blobs[:1])
    whitening.mvn_param.across_channels = True
    others = [LayerParameter.FromString(layer.SerializeToString()) for layer in net.layer]
    del net.layer[:]
    net.layer.extend([whitening, *others])
