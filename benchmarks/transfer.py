"""Transfer learning with EfficientNet-Lite0, beside hand-written PyTorch and scikit-learn.

    python -m benchmarks.transfer [--pictures 500] [--sides 128 224] [--splits 5]

Whole: seconds from *Create dataset* to a trained head over HTTP, with all defaults; then the same
for a second model on the dataset, which finds its features kept; and beside it the same done by
hand-written PyTorch (folded) and scikit-learn's LogisticRegression in one process.
Quality: the table of `benchmarks.transfer_quality`.
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
from sklearn.linear_model import LogisticRegression

from benchmarks.lite0 import BATCH, CATEGORIES, NETWORK, HandWritten, frozen_net
from benchmarks.transfer_quality import SETS, measure_quality
from digits.caffe.net import Net
from digits.tools import efficientnet_lite0 as lite0
from digits.tools.pretrained_weights import installed_file, read_tensors, write_weights
from tests.server_process import ServerProcess

PICTURE_SIZE = (500, 375)
WHOLE_SIDE = 128
PATIENCE_S = 1800.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 224])
    parser.add_argument("--rounds", type=int, default=3, help="of the features [%(default)s]")
    parser.add_argument("--amounts", type=int, nargs="+", default=[10, 30, 100])
    parser.add_argument("--splits", type=int, default=5, help="0: no table of quality [5]")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads; {options.pictures} pictures")
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        make_photographs(top / "photographs", options.pictures)
        measure_whole(top)
        measure_by_hand(top / "photographs")
        write_weights(top / "lite0.caffemodel")
        for side in options.sides:
            measure_features(top, side, options.rounds)
    if options.splits:
        measure_quality(options.sets, options.amounts, options.splits)


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
            resize_width=str(WHOLE_SIDE),
            resize_height=str(WHOLE_SIDE),
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


def measure_by_hand(photographs: Path) -> None:
    """Print the seconds that the same takes without DIGITS: read, features, regression."""
    start = time.perf_counter()
    files = sorted(photographs.glob("*/*.jpg"))
    size = (WHOLE_SIDE, WHOLE_SIDE)
    pictures = []
    for file in files:
        with Image.open(file) as image:
            pictures.append(np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC)))
    read_s = time.perf_counter() - start
    module = HandWritten(read_tensors(installed_file())).eval()
    with torch.inference_mode():
        features, _ = by_hand(module, np.stack(pictures)[:, :, :, ::-1])
    labels = [file.parent.name for file in files]
    features_s = time.perf_counter() - start - read_s
    LogisticRegression(max_iter=2000).fit(features.numpy(), labels)
    whole_s = time.perf_counter() - start
    print(
        f"the same by hand-written PyTorch and scikit-learn: {whole_s:.1f} s (reading "
        f"{read_s:.1f}, features {features_s:.1f}, regression {whole_s - read_s - features_s:.1f})"
    )


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
    net = frozen_net(top, pictures, top / "lite0.caffemodel")
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
