"""Which blobs of a network there are features of, and which one is meant when nobody says.

In: a deployed network.  Out: names, in the order of the layers.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from digits.caffe.errors import CaffeError
from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.model.job import DEPLOY_FILE, ModelJob
from digits.model.network import graph
from digits.model.network.text import net_in_file


def feature_blobs(net: NetParameter) -> list[str]:
    """What layers make of a picture: each blob once, where it is made last."""
    tops = [top for layer in net.layer if layer.bottom for top in layer.top]
    return list(dict.fromkeys(reversed(tops)))[::-1]


def usual_blob(net: NetParameter) -> str:
    """What the last layer with weights reads: all that the network knows but the categories."""
    known = feature_blobs(net)
    heads = graph.head_layers(net) or [
        layer for layer in net.layer if layer.type in graph.WITH_OUTPUT_COUNT
    ]
    for layer in reversed(heads):
        for bottom in layer.bottom:
            if bottom in known:
                return bottom
    return known[-1] if known else ""


def blobs_of(job: ModelJob) -> tuple[tuple[str, ...], str]:
    """The blobs of a model's network, and the usual one; none where it cannot be read."""
    path = job.dir / DEPLOY_FILE
    try:
        return _blobs(path, path.stat().st_mtime_ns)
    except (CaffeError, OSError):
        return (), ""


@lru_cache(maxsize=64)
def _blobs(path: Path, changed_ns: int) -> tuple[tuple[str, ...], str]:
    """Of the network in a file as it was at a moment."""
    net = net_in_file(path)
    return tuple(feature_blobs(net)), usual_blob(net)
