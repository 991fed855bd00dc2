"""Looking into a network through a real worker."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits.caffe.layers.base import Phase
from digits.caffe.net import Net
from digits.images import read_image
from digits.inference import (
    BadRequest,
    ClassifyOne,
    DescribeLayers,
    DrawActivations,
    DrawWeights,
    ExplainClass,
    Network,
    Pool,
)
from tests.inference.conftest import CROP, noise


@pytest.fixture
def source(tmp_path: Path) -> Path:
    noise(4).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def test_every_layer_is_described_in_its_order(
    shared_pool: Pool, network: Network, source: Path
) -> None:
    layers = shared_pool.ask(DescribeLayers(source), network=network).layers
    assert [(layer.index, layer.name, layer.type) for layer in layers] == [
        (0, "data", "Input"),
        (1, "conv", "Convolution"),
        (2, "relu", "ReLU"),
        (3, "pool", "Pooling"),
        (4, "scores", "InnerProduct"),
        (5, "prob", "Softmax"),
    ]
    assert [layer.param_count for layer in layers] == [0, 12, 0, 0, 12, 0]
    assert [param.name for param in layers[1].params] == ["weights", "bias"]
    assert layers[1].params[0].shape == (3, 3, 1, 1)


def test_the_numbers_are_those_of_the_engine(
    shared_pool: Pool, network: Network, source: Path
) -> None:
    layers = shared_pool.ask(DescribeLayers(source), network=network).layers
    net = Net(network.deploy, Phase.TEST, weights=network.weights)
    seen = read_image(shared_pool.ask(ClassifyOne(source), network=network).picture).astype(
        np.float32
    )
    net.blobs["data"].data[...] = seen[:, :, ::-1].transpose(2, 0, 1) - 7.5
    net.forward(end="conv")
    # Before and after the in-place ReLU.
    assert_describes(layers[1].tops[0].statistics, net.blobs["conv"].data)
    net.forward(start="relu")
    assert_describes(layers[2].tops[0].statistics, net.blobs["conv"].data)
    assert_describes(layers[5].tops[0].statistics, net.blobs["prob"].data)
    assert_describes(layers[4].params[0].statistics, net.params["scores"][0].data)


def assert_describes(statistics: object, values: np.ndarray) -> None:
    assert statistics.mean == pytest.approx(values.mean(), abs=1e-5)  # type: ignore[attr-defined]
    assert statistics.std == pytest.approx(values.std(), abs=1e-5)  # type: ignore[attr-defined]
    assert sum(statistics.histogram) == values.size  # type: ignore[attr-defined]
    assert statistics.edges[0] == pytest.approx(values.min(), abs=1e-5)  # type: ignore[attr-defined]
    assert statistics.edges[-1] == pytest.approx(values.max(), abs=1e-5)  # type: ignore[attr-defined]


def size(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as image:
        return image.size


def test_pictures_of_layers_are_made_when_asked_for(
    shared_pool: Pool, network: Network, source: Path
) -> None:
    prepared = shared_pool.ask(ClassifyOne(source), network=network).picture
    for layer in range(6):
        picture = shared_pool.ask(DrawActivations(source, layer), network=network)
        assert max(size(picture.png)) <= 600
        again = shared_pool.ask(DrawActivations(prepared, layer, prepared=True), network=network)
        assert again == picture
    before = shared_pool.ask(DrawActivations(source, 1), network=network).png
    assert before != shared_pool.ask(DrawActivations(source, 2), network=network).png
    assert size(shared_pool.ask(DrawWeights(4), network=network).png)[0] > 3


def test_what_is_not_there_is_named(shared_pool: Pool, network: Network, source: Path) -> None:
    with pytest.raises(BadRequest, match="There is no layer 6; there are 6, counted from 0"):
        shared_pool.ask(DrawActivations(source, 6), network=network)
    with pytest.raises(BadRequest, match="There is no top 1; there are 1"):
        shared_pool.ask(DrawActivations(source, 1, top=1), network=network)
    with pytest.raises(BadRequest, match="There is no parameter 0; there are 0"):
        shared_pool.ask(DrawWeights(2), network=network)
    with pytest.raises(BadRequest, match="There is no category 3; there are 3"):
        shared_pool.ask(ExplainClass(source, 3), network=network)
    with pytest.raises(BadRequest, match="no layer 'nope'"):
        shared_pool.ask(ExplainClass(source, 0, "nope"), network=network)
    with pytest.raises(BadRequest, match="gives no maps"):
        shared_pool.ask(ExplainClass(source, 0, "scores"), network=network)


def two_halves(tmp_path: Path) -> Path:
    """Red on the left, blue on the right."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, :16] = (255, 0, 0)
    pixels[:, 16:] = (0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "halves.png")
    return tmp_path / "halves.png"


@pytest.mark.parametrize(("index", "label", "side"), [(0, "red", 0), (2, "blue", 1)])
def test_the_heat_map_lies_where_the_class_is(
    shared_pool: Pool, network: Network, tmp_path: Path, index: int, label: str, side: int
) -> None:
    halves = two_halves(tmp_path)
    heat = shared_pool.ask(ExplainClass(halves, index), network=network)
    assert (heat.label, heat.layer) == (label, "relu")
    picture = read_image(heat.png).astype(int)
    assert picture.shape == (CROP, CROP, 3)
    # Warm colours have more green and less blue than cold ones.
    warmth = picture[:, :, 1]
    sides = [warmth[:, : CROP // 2 - 1].mean(), warmth[:, CROP // 2 + 1 :].mean()]
    assert sides[side] > sides[1 - side] + 50


def test_a_heat_map_does_not_disturb_the_classifying(
    shared_pool: Pool, network: Network, source: Path
) -> None:
    before = shared_pool.ask(ClassifyOne(source), network=network)
    shared_pool.ask(ExplainClass(source, 1), network=network)
    assert shared_pool.ask(ClassifyOne(source), network=network) == before


def test_another_picture_gets_its_own_numbers(
    shared_pool: Pool, network: Network, source: Path, tmp_path: Path
) -> None:
    first = shared_pool.ask(DescribeLayers(source), network=network).layers
    noise(5).save(tmp_path / "other.png")
    other = shared_pool.ask(DescribeLayers(tmp_path / "other.png"), network=network).layers
    assert other[1].tops != first[1].tops
    assert shared_pool.ask(DescribeLayers(source), network=network).layers == first
