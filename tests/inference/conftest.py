"""A network that knows three colours, its dataset's mean, and a pool that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from digits.caffe.data.means import write_mean_file
from digits.caffe.layers.base import Phase
from digits.caffe.net import Net
from digits.inference import NetSource, Network, Pool, PoolSettings, draw_network

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
SIZE, CROP = 16, 12

# A 1x1 convolution tells the colours apart, in the order of B,G,R planes and R,G,B classes.
DEPLOY = f"""
name: "colours"
layer {{ name: "data" type: "Input" top: "data"
  input_param {{ shape {{ dim: 1 dim: 3 dim: {CROP} dim: {CROP} }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 3 kernel_size: 1 }} }}
layer {{ name: "relu" type: "ReLU" bottom: "conv" top: "conv" }}
layer {{ name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param {{ pool: AVE global_pooling: true }} }}
layer {{ name: "scores" type: "InnerProduct" bottom: "pool" top: "scores"
  inner_product_param {{ num_output: 3 }} }}
layer {{ name: "prob" type: "Softmax" bottom: "scores" top: "prob" }}
"""


def make_network(folder: Path, deploy: str = DEPLOY) -> Network:
    """The files of a trained model, for a dataset of 16x16 pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "deploy.prototxt").write_text(deploy)
    (folder / "labels.txt").write_text("".join(f"{colour}\n" for colour in COLOURS))
    net = Net(folder / "deploy.prototxt", Phase.TEST)
    if "conv" in net.params:
        weights = np.eye(3, dtype=np.float32)[::-1] - 0.5
        net.params["conv"][0].data[...] = weights.reshape(3, 3, 1, 1) / 100
        net.params["conv"][1].data[...] = 0
        net.params["scores"][0].data[...] = np.eye(3) * 3
        net.params["scores"][1].data[...] = [0.02, 0.01, 0]
    net.save(folder / "snapshot_iter_1.caffemodel")
    write_mean_file(str(folder / "mean.binaryproto"), np.full((3, SIZE, SIZE), 7.5, np.float32))
    return Network(
        deploy=folder / "deploy.prototxt",
        weights=folder / "snapshot_iter_1.caffemodel",
        height=SIZE,
        width=SIZE,
        channels=3,
        labels=folder / "labels.txt",
        mean=folder / "mean.binaryproto",
    )


def picture_of(colour: str, size: tuple[int, int] = (20, 30)) -> Image.Image:
    return Image.new("RGB", size, COLOURS[colour])


def noise(seed: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """A picture (width, height) in which every pixel counts, of one more colour than the others."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 160, (size[1], size[0], 3))
    pixels[..., seed % 3] += 90
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return make_network(tmp_path_factory.mktemp("colours"))


@pytest.fixture(scope="session")
def shared_pool() -> Iterator[Pool]:
    with Pool(PoolSettings(timeout_s=60)) as pool:
        # Its threads are there before the first test counts them.
        draw_network(pool, NetSource('layer { name: "a" type: "ReLU" }'), all_states=True)
        yield pool


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Nine pictures: red, green, blue, red, ..."""
    paths = [tmp_path / f"{number}.png" for number in range(9)]
    for number, path in enumerate(paths):
        noise(number).save(path)
    return paths


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or waits only for its parent to hear of it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
