"""Transfer learning with EfficientNet-Lite0, beside hand-written PyTorch and scikit-learn.

    python -m benchmarks.transfer [--pictures 500] [--sides 128 224]

Whole: seconds from *Create dataset* to a trained head over HTTP, with all defaults; then the same
for a second model on the dataset, which finds its features kept.
Features: pictures a second of the frozen layers, folded, against the same network written in
PyTorch with its normalisations folded by hand, on the same pictures in memory.
"""

from __future__ import annotations

import argparse
import colorsys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from digits.caffe.data import datum, db
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.machine.randomness import Randomness
from digits.caffe.net import Net
from digits.model.network.text import parse_network, standard_network_text
from digits.model.network.training import DatasetFacts, NetworkOptions, make_networks
from digits.tools import efficientnet_lite0 as lite0
from digits.tools.pretrained_weights import Tensors, installed_file, read_tensors, write_weights
from tests.server_process import ServerProcess

NETWORK = "efficientnet-lite0"
PICTURE_SIZE = (500, 375)
CATEGORIES = 5
BATCH = 32
PATIENCE_S = 1800.0


class Folded(nn.Module):
    """A convolution with its normalisation in its weights, padded as in training."""

    def __init__(self, spec: lite0.ConvolutionSpec, tensors: Tensors) -> None:
        super().__init__()
        mean, variance, factor, bias = (
            tensors[f"{spec.norm_key}.{name}"]
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        factor = factor / torch.sqrt(variance + 0.001)
        weight = tensors[f"{spec.key}.weight"] * factor.reshape(-1, 1, 1, 1)
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(bias - mean * factor)
        self.spec = spec

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spec, pad = self.spec, self.spec.kernel // 2
        if spec.stride == 2:
            x, pad = functional.pad(x, (pad - 1, pad, pad - 1, pad)), 0
        x = functional.conv2d(x, self.weight, self.bias, spec.stride, pad, groups=spec.group)
        return functional.relu6(x, inplace=True) if spec.is_clipped else x


class HandWritten(nn.Module):
    """The features of R,G,B pictures."""

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        self.stem = Folded(lite0.stem(), tensors)
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Folded(spec, tensors) for spec in block.convolutions))
            for block in lite0.blocks()
        )
        self.adds = [block.adds_bottom for block in lite0.blocks()]
        self.head = Folded(lite0.head(), tensors)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for block, adds in zip(self.blocks, self.adds, strict=True):
            x = x + block(x) if adds else block(x)
        return self.head(x).mean((2, 3))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 224])
    parser.add_argument("--rounds", type=int, default=3, help="of the features [%(default)s]")
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads; {options.pictures} pictures")
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        make_photographs(top / "photographs", options.pictures)
        measure_whole(top)
        write_weights(top / "lite0.caffemodel")
        for side in options.sides:
            measure_features(top, side, options.rounds)


def make_photographs(folder: Path, count: int) -> None:
    """JPEG files that look like nothing, but weigh what photographs do."""
    for number in range(count):
        random = np.random.default_rng(number)
        category = number % CATEGORIES
        small = random.uniform(0, 0.4, (24, 32, 3)) + colorsys.hsv_to_rgb(category / 5, 0.6, 0.6)
        image = Image.fromarray((small.clip(0, 1) * 255).astype(np.uint8))
        path = folder / f"category {category}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.resize(PICTURE_SIZE, Image.Resampling.BICUBIC).save(path, quality=90)


# The whole way ----------------------------------------------------------------------------------


def measure_whole(top: Path) -> None:
    """Print the seconds of the first and of a second model."""
    server = ServerProcess(top / "jobs").start()
    try:
        start = time.perf_counter()
        dataset = made(
            server,
            "/datasets/images/classification.json",
            dataset_name="Photographs",
            folder_train=str(top / "photographs"),
            resize_width="128",
            resize_height="128",
        )
        first = trained(server, dataset, "First")
        first_s = time.perf_counter() - start
        start = time.perf_counter()
        trained(server, dataset, "Second")
        second_s = time.perf_counter() - start
        accuracy = server.get(f"/models/{first}.json").json()["snapshot_details"][-1]["words"]
    finally:
        server.stop()
    print(f"from Create dataset to a trained head at 128: {first_s:.1f} s ({accuracy})")
    print(f"a second model on the dataset: {second_s:.1f} s")


def trained(server: ServerProcess, dataset: str, name: str) -> str:
    """The id of a model, once it has learned."""
    job_id = made(
        server,
        "/models/images/classification.json",
        model_name=name,
        dataset=dataset,
        standard_networks=NETWORK,
    )
    server.wait_for_status(job_id, "Done", timeout_s=PATIENCE_S)
    return job_id


def made(server: ServerProcess, route: str, **form: str) -> str:
    answer = server.post(route, data=form)
    answer.raise_for_status()
    return str(answer.json()["id"])


# Features ---------------------------------------------------------------------------------------


def measure_features(top: Path, side: int, rounds: int) -> None:
    """Print pictures a second of both, each the best of several rounds that take turns."""
    pictures = np.random.default_rng(1).integers(0, 256, (4 * BATCH, side, side, 3), np.uint8)
    net = frozen_net(top, pictures)
    module = HandWritten(read_tensors(installed_file())).eval()
    ours, theirs = [], []
    with torch.inference_mode():
        for _ in range(rounds):
            ours.append(by_ours(net))
            theirs.append(by_hand(module, pictures))
    net.close()
    (one, a), (other, b) = (
        max(ours, key=lambda each: each[1]),
        max(theirs, key=lambda each: each[1]),
    )
    difference = float((one - other).abs().max() / other.abs().max())
    print(
        f"features at {side}: {a:.1f}/s, hand-written {b:.1f}/s, ratio {a / b:.2f}; "
        f"largest difference {difference:.1e} of the largest value"
    )


def frozen_net(top: Path, pictures: np.ndarray) -> Net:
    """The network as a training has it whose head alone learns."""
    side, source = pictures.shape[1], str(top / f"db_{pictures.shape[1]}")
    with db.Writer(source) as writer:
        for number, picture in enumerate(pictures):
            writer.put(f"{number:08d}".encode(), datum.raw(picture, 0).SerializeToString())
    made = make_networks(
        parse_network(standard_network_text(NETWORK, side)),
        DatasetFacts(CATEGORIES, 3, side, side, source, None, None),
        NetworkOptions(use_mean=False, fine_tune="head"),
    )
    context = LayerContext(channels_last=True, random=Randomness())
    net = Net(made.train_val, Phase.TRAIN, context=context, keep_blobs=False)
    net.copy_from(top / "lite0.caffemodel")
    return net


def by_ours(net: Net) -> tuple[torch.Tensor, float]:
    """All features, and how many a second."""
    part = net.frozen_part()
    start = time.perf_counter()
    found = [
        net.frozen_features(part, batch)[0].flatten(1).clone()
        for batch in part.layer.pictures(0, BATCH)
    ]
    features = torch.cat(found)
    return features, len(features) / (time.perf_counter() - start)


def by_hand(module: HandWritten, pictures: np.ndarray) -> tuple[torch.Tensor, float]:
    """The same of B,G,R pictures in memory."""
    start = time.perf_counter()
    found = []
    for at in range(0, len(pictures), BATCH):
        batch = torch.from_numpy(np.ascontiguousarray(pictures[at : at + BATCH, :, :, ::-1]))
        batch = (batch.permute(0, 3, 1, 2).float() - lite0.MEAN) * lite0.SCALE
        found.append(module(batch))
    return torch.cat(found), len(pictures) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
