"""Names that are free, and those of layers that begin afresh when a network is trained again.

Weights are taken by the name of their layer, so one that shall not take any is renamed.
In: networks.  Out: the same with other names.
"""

from __future__ import annotations

from collections.abc import Collection

from digits.caffe.proto.caffe_pb2 import NetParameter

RETRAIN_SUFFIX = "_retrain"


def free_name(name: str, taken: Collection[str], suffix: str = "_") -> str:
    """`name` with as many suffixes as it takes until nothing is called so."""
    while name in taken:
        name += suffix
    return name


def rename_afresh(net: NetParameter, chosen: Collection[str]) -> None:
    """Give the layers with these names new ones, which no layer had."""
    names = {layer.name for layer in net.layer}
    new_names = {old: free_name(old + RETRAIN_SUFFIX, names, RETRAIN_SUFFIX) for old in chosen}
    for layer in net.layer:
        layer.name = new_names.get(layer.name, layer.name)


def as_trained(given: NetParameter, trained: NetParameter) -> NetParameter:
    """A network with the names that its layers had in its training, under which weights are kept.

    `given` itself where they are the same.
    """
    names = {layer.name for layer in trained.layer}
    missing = {layer.name for layer in given.layer} - names
    new_names = {old: new for old in missing if (new := _renamed(old, names))}
    if not new_names:
        return given
    result = NetParameter()
    result.CopyFrom(given)
    for layer in result.layer:
        layer.name = new_names.get(layer.name, layer.name)
    return result


def _renamed(name: str, names: Collection[str]) -> str:
    """What a layer was called when it began afresh; empty when there is no such layer."""
    longest = max(map(len, names), default=0)
    new = name + RETRAIN_SUFFIX
    while len(new) <= longest and new not in names:
        new += RETRAIN_SUFFIX
    return new if new in names else ""
