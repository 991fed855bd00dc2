"""The networks of a training as a worker builds them, to check or to draw them.

In: a network and a dataset.  Out: texts with the shapes of the pictures that go in.
"""

from __future__ import annotations

import logging

from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError, TaskFailed
from digits.inference import NetSource
from digits.model.images.classification.training_files import dataset_facts
from digits.model.network.errors import NetworkError
from digits.model.network.text import network_to_text
from digits.model.network.training import NetworkOptions, Networks, make_networks

log = logging.getLogger(__name__)


def net_sources(networks: Networks, dataset: ImageClassificationDatasetJob) -> list[NetSource]:
    """The networks of a training as they will be built."""
    train_val = network_to_text(networks.train_val)
    deploy = networks.deploy
    rows, columns = deploy.input_shape[0].dim[2:]
    sources = []
    for name, phase, batch_size in (
        ("train", "TRAIN", networks.train_batch_size),
        ("val", "TEST", networks.val_batch_size),
    ):
        if batch_size is None:
            continue
        layers = networks.train_val.layer
        data = next(layer for layer in layers if layer.type in ("Data", "HDF5Data"))
        shapes = {
            data.top[0]: (batch_size, dataset.channels, rows, columns),
            data.top[1]: (batch_size,),
        }
        sources.append(NetSource(train_val, name, phase, data_shapes=shapes))
    return [*sources, NetSource(network_to_text(deploy), "deploy")]


def source_to_draw(
    net: NetParameter, text: str, dataset: ImageClassificationDatasetJob
) -> NetSource:
    """What to draw of a network: as a dataset would train it where that is possible."""
    try:
        facts = dataset_facts(dataset, dataset.dir)
        networks = make_networks(net, facts, NetworkOptions())
    except (NetworkError, FormError, TaskFailed):
        log.debug("a network is drawn as it was given: it does not fit %s", dataset.id)
        return NetSource(text)
    return net_sources(networks, dataset)[0]
