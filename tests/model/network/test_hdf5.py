"""What becomes of a network whose dataset is stored as HDF5."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from digits.caffe.data.means import write_mean_file
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.net import Net
from digits.errors import FormError
from digits.model.network.hdf5 import MEAN_LAYER, MEAN_WEIGHTS_FILE, SCALE_LAYER, MeanWeights
from digits.model.network.text import parse_network, standard_network_text
from digits.model.network.training import NetworkOptions, Networks, make_networks
from tests.model.cases import facts

FACTS = replace(facts(side=28), backend="hdf5", train_db="train_hdf5.txt", val_db="val_hdf5.txt")


def lenet(**options: object) -> Networks:
    given = parse_network(standard_network_text("lenet"))
    return make_networks(given, FACTS, NetworkOptions(**options))  # type: ignore[arg-type]


def test_the_layers_read_lists_and_the_mean_and_scale_are_layers_of_both_networks() -> None:
    made = lenet(scale=0.5)
    reading = [layer for layer in made.train_val.layer if layer.type == "HDF5Data"]
    assert [layer.hdf5_data_param.source for layer in reading] == [FACTS.train_db, FACTS.val_db]
    assert [list(layer.top) for layer in reading] == [["data", "label"]] * 2
    assert [layer.hdf5_data_param.batch_size for layer in reading] == [
        made.train_batch_size,
        made.val_batch_size,
    ]
    assert not any(layer.HasField("transform_param") for layer in made.train_val.layer)
    for net in (made.train_val, made.deploy):
        mean, scale = (layer for layer in net.layer if layer.name in (MEAN_LAYER, SCALE_LAYER))
        assert (mean.type, mean.param[0].lr_mult, mean.bias_param.num_axes) == ("Bias", 0, 3)
        assert scale.power_param.scale == 0.5
    assert made.mean_weights == MeanWeights(mean_file=str(FACTS.mean_file))


def test_without_mean_and_scale_there_are_no_such_layers() -> None:
    made = lenet(use_mean=False, scale=1.0)
    names = {layer.name for layer in made.train_val.layer}
    assert not names & {MEAN_LAYER, SCALE_LAYER}
    assert made.mean_weights is None


@pytest.mark.parametrize("values", [(7.0,), (1.0, 2.0, 3.0)])
def test_the_mean_is_subtracted_before_the_scale(tmp_path: Path, values: tuple[float, ...]) -> None:
    made = lenet(use_mean=False, mean_values=values, scale=0.5)
    assert made.mean_weights is not None
    made.mean_weights.write(tmp_path)
    net = Net(made.deploy, Phase.TEST, context=LayerContext())
    net.copy_from(tmp_path / MEAN_WEIGHTS_FILE)
    picture = np.arange(3 * 28 * 28, dtype=np.float32).reshape(1, 3, 28, 28)
    net.blobs["data"].data[...] = picture
    found = net.forward(end=SCALE_LAYER)["data"]
    np.testing.assert_allclose(found, (picture - np.reshape(values, (1, -1, 1, 1))) * 0.5)


def test_a_mean_picture_is_subtracted(tmp_path: Path) -> None:
    mean = np.random.default_rng(1).random((3, 28, 28), np.float32)
    write_mean_file(str(tmp_path / "mean.binaryproto"), mean)
    MeanWeights(mean_file="mean.binaryproto").write(tmp_path)
    made = lenet(scale=1.0)
    net = Net(made.deploy, Phase.TEST, context=LayerContext())
    net.copy_from(tmp_path / MEAN_WEIGHTS_FILE)
    net.blobs["data"].data[...] = 1
    np.testing.assert_array_equal(net.forward(end=MEAN_LAYER)["data"][0], 1 - mean)


def test_the_networks_of_large_photographs_need_what_hdf5_has_not() -> None:
    given = parse_network(standard_network_text("alexnet"))
    large = replace(FACTS, height=227, width=227)
    with pytest.raises(FormError, match="Mirror: off"):
        make_networks(given, large, NetworkOptions())
    # Pictures of the crop's size need no cropping.
    made = make_networks(given, large, NetworkOptions(mirror=False))
    assert made.deploy.input_shape[0].dim == [1, 3, 227, 227]
