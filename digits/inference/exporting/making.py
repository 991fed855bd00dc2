"""A trained network as an ONNX model: labels, the preparation of pictures and all facts in it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import onnx

from digits.caffe.data import means
from digits.caffe.errors import CaffeError
from digits.caffe.export.classifier import classifier_of, description
from digits.caffe.export.folder import mean_of_values
from digits.caffe.export.net import model_of, open_net
from digits.caffe.export.pictures import Preparation
from digits.inference.errors import BadNetwork
from digits.inference.operations import Network
from digits.sources.picture_list import told_apart


def made_model(
    network: Network, metadata: Mapping[str, str], *, takes_pictures: bool
) -> onnx.ModelProto:
    """The model of a network; it takes a picture of any size a run, or batches of the net's input.

    Raises BadNetwork: a file is gone or foreign, or a layer has no form in ONNX.
    """
    if not network.weights.is_file():
        raise BadNetwork(
            f"The snapshot {network.weights.name} is gone: it was deleted meanwhile. Export "
            "another epoch."
        )
    try:
        how, labels = preparation_of(network), _labels(network)
        with contextlib.closing(open_net(network.deploy, network.weights)) as net:
            if takes_pictures:
                return classifier_of(
                    net, how, labels=labels, output=_known(network, net.outputs), metadata=metadata
                )
            facts = description(net, how, labels=labels, output=_known(network, net.outputs))
            return model_of(net, metadata={**facts, **metadata})
    except (CaffeError, OSError) as error:
        raise BadNetwork(f"The network cannot become ONNX: {error}") from error


def preparation_of(network: Network) -> Preparation:
    """How its pictures are made, in the exporter's words.  Raises DataError."""
    mean = None
    if network.mean is not None:
        mean = means.load_mean(str(network.mean))
    elif network.mean_values:
        mean = mean_of_values(list(network.mean_values), network.channels)
    return Preparation(
        network.height, network.width, network.channels, network.resize_mode, mean, network.scale
    )


def _labels(network: Network) -> list[str]:
    """As the pages have them."""
    if network.labels is None:
        return []
    text = network.labels.read_text(encoding="utf-8", errors="replace")
    return told_apart([label.strip() for label in text.splitlines()])


def _known(network: Network, outputs: list[str]) -> str:
    """The output that was asked for, where the net has it."""
    return network.output if network.output in outputs else ""
