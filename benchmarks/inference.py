"""Speed of trying a network through the pool of workers, against a bare loop over the same network.

    python -m benchmarks.inference [--networks lenet googlenet] [--pictures 400]

One picture: the milliseconds of `classify_one` (median, warm) and of the bare forward pass, and the
difference.  Many: pictures a second of `classify_many`, and of a bare loop that decodes a batch
with all cores and then runs the net on it; the ratio.  Both read the same JPEG files.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.networks import CLASSES, INPUTS, deploy_net
from digits.caffe.formats import prototxt
from digits.caffe.layers.base import Phase
from digits.caffe.net import Net
from digits.inference import ClassifyOne, Network, Pool, PoolSettings, classify_many
from digits.inference.work.loaded import LoadedNetwork

PICTURE_SIZE = (500, 375)
SMALL_PICTURE_SIZE = (28, 28)


@dataclass(frozen=True)
class Figures:
    """Of one network: seconds of one picture, and pictures a second of many."""

    bare_pass_s: float
    classify_one_s: float
    bare_per_s: float
    classify_many_per_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["lenet", "googlenet"], choices=INPUTS)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=100, help="of one picture [%(default)s]")
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads; {options.pictures} pictures")
    for name in options.networks:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(name, Path(folder), options.pictures, options.repeats)
        more_ms = (figures.classify_one_s - figures.bare_pass_s) * 1e3
        print(
            f"{name}: one picture {figures.classify_one_s * 1e3:.2f} ms, bare pass "
            f"{figures.bare_pass_s * 1e3:.2f} ms, {more_ms:.2f} ms more; "
            f"many {figures.classify_many_per_s:.0f}/s, bare loop {figures.bare_per_s:.0f}/s, "
            f"ratio {figures.classify_many_per_s / figures.bare_per_s:.2f}"
        )


def measure(name: str, folder: Path, pictures: int, repeats: int) -> Figures:
    """The figures of a network; bare and pool run one after the other, never at the same time."""
    network = make_network(name, folder)
    size = SMALL_PICTURE_SIZE if INPUTS[name][1] <= 28 else PICTURE_SIZE
    paths = make_pictures(folder, pictures, size)
    loaded = LoadedNetwork(network)
    loaded.take_picture(str(paths[0]), prepared=False)
    bare_pass_s = median_seconds(lambda: loaded.scores(1), repeats)
    bare_per_s = pictures / best_seconds(lambda: bare_loop(loaded, paths))
    with one_worker() as pool:
        classify_one_s = median_seconds(
            lambda: pool.ask(ClassifyOne(paths[0]), network=network), repeats
        )
        many_s = best_seconds(lambda: sum(1 for _ in classify_many(pool, network, paths)))
    return Figures(bare_pass_s, classify_one_s, bare_per_s, pictures / many_s)


def bare_loop(loaded: LoadedNetwork, paths: list[Path]) -> None:
    """Decode a batch, run the net on it, and so on."""
    with ThreadPoolExecutor(loaded.cores.total) as threads:
        for start in range(0, len(paths), loaded.batch_size):
            batch = [str(path) for path in paths[start : start + loaded.batch_size]]
            samples = list(threads.map(loaded.preparer.read, batch))
            loaded.preparer.batch(samples, loaded.input(len(samples)))
            loaded.scores(len(samples))


@contextmanager
def one_worker() -> Iterator[Pool]:
    # As nice as the bare loop, which it is compared with.
    with Pool(PoolSettings(workers=1, niceness=0, timeout_s=600)) as pool:
        yield pool


def median_seconds(call: Callable[[], object], repeats: int) -> float:
    """The median time of a call, after a few that warm it up."""
    times = []
    for _ in range(repeats + 5):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times[5:])


def best_seconds(call: Callable[[], object]) -> float:
    """The shortest of three calls."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def make_network(name: str, folder: Path) -> Network:
    """The files of a network with random weights; its dataset's pictures are a little larger."""
    channels, height, width = INPUTS[name]
    border = 0 if height <= 28 else 32
    deploy = folder / "deploy.prototxt"
    prototxt.write_text(deploy, deploy_net(name, 1))
    Net(deploy, Phase.TEST).save(folder / "w.caffemodel")
    (folder / "labels.txt").write_text("".join(f"class {i}\n" for i in range(CLASSES[name])))
    return Network(
        deploy,
        folder / "w.caffemodel",
        height + border,
        width + border,
        channels,
        labels=folder / "labels.txt",
        mean_values=(127.0,),
    )


def make_pictures(folder: Path, count: int, size: tuple[int, int]) -> list[Path]:
    """JPEG files of noise over a ramp, which compress about as photographs do."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        ramp = np.add.outer(np.linspace(0, 120, size[1]), np.linspace(0, 100, size[0]))
        noise = rng.normal(0, 12, (size[1], size[0], 3))
        pixels = np.clip(ramp[:, :, np.newaxis] + noise, 0, 255).astype(np.uint8)
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(pixels).save(paths[-1], quality=85)
    return paths


if __name__ == "__main__":
    main()
