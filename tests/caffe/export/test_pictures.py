"""A model that takes pictures: it sees what the pages of DIGITS see of the same pixels."""

from __future__ import annotations

import json

import numpy as np
import pytest

from digits.caffe.errors import DataError, NetError
from digits.caffe.export.classifier import classifier_of
from digits.caffe.export.pictures import MODES, Preparation
from digits.caffe.net import Net
from digits.images.resize import resize_image, scaled_size
from tests.caffe.export.running import net_of, run_model, session

# Heights and widths: shrunk, grown, both, long, thin, and as it should be.
SIZES = [(100, 130), (17, 23), (300, 40), (11, 200), (64, 48), (33, 90), (1, 1), (480, 331)]
LEVELS = np.random.default_rng(3)


def picture(height: int, width: int) -> np.ndarray:
    """Random pixels, R,G,B."""
    return LEVELS.integers(0, 256, (height, width, 3), dtype=np.uint8)


def seeing_net(channels: int, height: int, width: int) -> Net:
    """A net whose scores are the values of its input, so that a test sees them."""
    shape = f"dim: 1 dim: {channels} dim: {height} dim: {width}"
    return net_of(
        f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {shape} }} }} }}'
        'layer { name: "flat" type: "Flatten" bottom: "data" top: "seen" }'
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_seen_as_the_pages_see_it(mode: str, channels: int) -> None:
    """To the level, but for some that lie between two; beside a picture is 0 instead of noise."""
    height, width = 60, 48
    how = Preparation(height, width, channels, mode, mean_picture(channels, height, width), 0.5)
    running = session(classifier_of(seeing_net(channels, 44, 44), how))
    for size in SIZES:
        pixels = picture(*size)
        (seen,) = running.run(None, {"image": pixels})
        values = seen.reshape(channels, 44, 44)
        expected = seen_on_the_pages(pixels, how, crop=44)
        inside = ~beside(size, how)[8:52, 2:46]
        # A level, which is half of one at this scale, where a value lies just between two levels:
        # programs have the filter's weights in single precision, Pillow in double.
        gap = np.abs(values - expected)[:, inside]
        assert gap.max(initial=0) < 0.501
        assert (gap > 1e-4).mean() < 0.1
        assert np.abs(values[:, ~inside]).max(initial=0) < 1e-4


def mean_picture(channels: int, height: int, width: int) -> np.ndarray:
    numbers = np.random.default_rng(1)
    return numbers.uniform(0, 255, (channels, height, width)).astype(np.float32)


def seen_on_the_pages(pixels: np.ndarray, how: Preparation, crop: int) -> np.ndarray:
    """What training and the pages make of the pixels: (channels, crop, crop)."""
    resized = resize_image(pixels, how.height, how.width, how.channels, how.mode)
    assert how.mean is not None
    values = resized[:, :, ::-1].transpose(2, 0, 1).astype(np.float32)
    top, left = (how.height - crop) // 2, (how.width - crop) // 2
    window = (slice(None), slice(top, top + crop), slice(left, left + crop))
    return (values - how.mean)[window] * np.float32(how.scale)


def beside(size: tuple[int, int], how: Preparation) -> np.ndarray:
    """Where the pages put noise, (height, width)."""
    scaled = scaled_size(*size, how.height, how.width, how.mode)
    found = np.ones((how.height, how.width), bool)
    rows, columns = min(scaled.height, how.height), min(scaled.width, how.width)
    top, left = (how.height - rows) // 2, (how.width - columns) // 2
    found[top : top + rows, left : left + columns] = False
    return found


CLASSIFIER = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 4 dim: 3 dim: 20 dim: 20 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 3 kernel_size: 5 weight_filler { type: "gaussian" std: 0.002 } } }
layer { name: "soft" type: "Softmax" bottom: "conv" top: "soft" }
"""


def test_one_picture_gives_the_probabilities_of_the_categories() -> None:
    """Of a probability a place in the picture, the mean, as on the pages."""
    net = net_of(CLASSIFIER)
    how = Preparation(20, 20, 3, "squash", np.full((3, 1, 1), 100, np.float32), 2.0, "rgb")
    model = classifier_of(net, how, labels=["cat", "dog"], metadata={"info": "{}"})
    pixels = picture(31, 20)
    (found,) = run_model(model, {"image": pixels}).values()
    assert [port.name for port in model.graph.output] == ["probabilities"]
    net.blobs["data"].data[...] = 2 * (
        resize_image(pixels, 20, 20, 3, "squash").transpose(2, 0, 1).astype(np.float32) - 100
    )
    net.forward()
    expected = net.blobs["soft"].data.reshape(3, -1).mean(1)
    assert np.abs(found - expected).max() < 0.005
    assert found.sum() == pytest.approx(1, abs=1e-5)
    said = {prop.key: json.loads(prop.value) for prop in model.metadata_props}
    assert said["labels"] == ["cat", "dog", "class 2"]
    assert said["image"] == {
        "width": 20, "height": 20, "channels": 3, "resize_mode": "squash", "padding": None,
    }  # fmt: skip
    assert said["transform"]["channel_order"] == "rgb"
    assert said["transform"]["mean"] == [100, 100, 100]
    assert said["network_input"] == {"name": "data", "shape": [1, 3, 20, 20]}


def test_scores_that_are_no_probabilities_are_called_so() -> None:
    model = classifier_of(seeing_net(1, 4, 4))
    assert [port.name for port in model.graph.output] == ["scores"]


def test_the_mean_of_probabilities_is_one() -> None:
    pool = """layer { name: "pool" type: "Pooling" bottom: "soft" top: "pool"
      pooling_param { pool: AVE global_pooling: true } }"""
    model = classifier_of(net_of(CLASSIFIER + pool))
    assert [port.name for port in model.graph.output] == ["probabilities"]


def test_the_metadata_say_what_is_put_beside_a_picture() -> None:
    for mean, said in ((None, "127.5"), (np.zeros((1, 1, 1), np.float32), "mean")):
        model = classifier_of(seeing_net(1, 4, 4), Preparation(4, 4, 1, "fill", mean))
        props = {prop.key: json.loads(prop.value) for prop in model.metadata_props}
        assert props["image"]["padding"] == said


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (Preparation(4, 4, 3), "the net takes 1 channels and the pictures have 3"),
        (Preparation(3, 4, 1), "smaller than the net's input, 4x4"),
        (Preparation(4, 4, 1, "stretch"), "no resize mode 'stretch'; use squash, crop"),
        (Preparation(4, 4, 1, order="grb"), "no channel order 'grb'; use bgr or rgb"),
        (Preparation(5, 4, 1, mean=np.zeros((1, 4, 4), np.float32)), r"expected \(1, 5, 4\)"),
    ],
)
def test_pictures_that_do_not_fit_the_net_are_refused(how: Preparation, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        classifier_of(seeing_net(1, 4, 4), how)


def test_a_net_that_takes_no_picture_is_refused() -> None:
    flat = 'layer { name: "i" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }'
    tanh = 'layer { name: "t" type: "TanH" bottom: "x" top: "y" }'
    with pytest.raises(NetError, match=r"must be of shape \(n, channels, height, width\)"):
        classifier_of(net_of(flat + tanh))
    two = flat.replace('"i"', '"j"').replace('"x"', '"z"')
    with pytest.raises(NetError, match="Its inputs: x, z"):
        classifier_of(net_of(flat + two + tanh))
    with pytest.raises(NetError, match="no output 'p'. Its outputs: seen"):
        classifier_of(seeing_net(1, 4, 4), output="p")
