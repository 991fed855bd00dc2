"""What augmentation costs, and what it gains.

    python -m benchmarks.augmentation [--rounds 3] [--fashion-mnist FOLDER]

First the pace of AlexNet in batches of 32 pictures of 256 x 256 as PNG, with each preset and
without, in processes of their own, in turns; of all rounds the fastest counts.  Then the accuracy
of LeNet after learning from 500 pictures of Fashion-MNIST, with each preset and without, on its
10,000 test pictures, as the mean of five seeds.  FOLDER has its four files, packed by gzip or not;
Debian's package dataset-fashion-mnist has them.  Without them that part is left out.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np

from benchmarks.train import BATCHES, ITERATIONS, LINE, ROOT, make_files
from digits.caffe.data import datum, db
from digits.caffe.data.augmentation import PRESETS
from digits.caffe.data.idx import read_labelled_images
from digits.caffe.formats import prototxt
from digits.model.network.text import parse_network, standard_network_text
from digits.model.network.training import DatasetFacts, NetworkOptions, make_networks

FASHION = Path("/usr/share/datasets/fashion-mnist")
FILES = ("{}-images-idx3-ubyte", "{}-labels-idx1-ubyte")
PICTURES, CATEGORIES, SIDE = 500, 10, 28
TEST_PICTURES, TEST_BATCH = 10_000, 100
EPOCHS, BATCH = 120, 50
SEEDS = range(1, 6)
ACCURACY = re.compile(r"Test net output #\d+: accuracy = ([\d.]+)")
SOLVER = """\
net: "net.prototxt" base_lr: 0.01 lr_policy: "step" gamma: 0.1 stepsize: {step} momentum: 0.9
weight_decay: 0.0005 max_iter: {iterations} test_iter: {tests} test_interval: {iterations}
test_initialization: false snapshot_after_train: false snapshot_prefix: "snap" random_seed: {seed}
solver_mode: CPU
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="of the pace [%(default)s]")
    parser.add_argument("--fashion-mnist", type=Path, default=FASHION, metavar="FOLDER")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="[%(default)s]")
    options = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores")
    with tempfile.TemporaryDirectory() as folder:
        if options.rounds:
            measure_pace(Path(folder, "pace"), options.rounds)
        if not options.fashion_mnist.is_dir():
            print(f"There is no folder {options.fashion_mnist}: the gain is left out.")
        elif options.seeds:
            measure_gain(Path(folder, "gain"), options.fashion_mnist, options.seeds)


def train(folder: Path, preset: str) -> str:
    """The log of a training in a process of its own."""
    (folder / "augmentation.json").write_text(PRESETS[preset].to_text())
    command = [
        sys.executable, "-m", "digits.caffe", "train", "--solver=solver.prototxt",
        "--augmentation=augmentation.json",
    ]  # fmt: skip
    done = subprocess.run(
        command[:5] if preset == "none" else command,
        cwd=folder, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stderr


# Pace --------------------------------------------------------------------------------------------


def measure_pace(folder: Path, rounds: int) -> None:
    """Print seconds per iteration of AlexNet, and the share of the pace that is left."""
    folder.mkdir()
    make_files("alexnet", folder)
    seconds: dict[str, list[float]] = {name: [] for name in PRESETS}
    for _ in range(rounds):
        for name in PRESETS:
            seconds[name].append(seconds_per_iteration(train(folder, name)))
    plain = min(seconds["none"])
    for name, found in seconds.items():
        print(
            f"AlexNet, batch {BATCHES['alexnet']}, {name:<7} {min(found) * 1e3:>7.1f} ms per "
            f"iteration, {plain / min(found):.2f} of the pace without"
        )


def seconds_per_iteration(log: str) -> float:
    """By the times in the log, without the first iterations."""
    year = datetime.now().year
    moments = {
        int(match[2]): datetime.strptime(f"{year}{match[1]}", "%Y%m%d %H:%M:%S.%f")
        for match in map(LINE.match, log.splitlines())
        if match
    }
    warm, measured = ITERATIONS["alexnet"]
    return (moments[warm + measured] - moments[warm]).total_seconds() / measured


# Gain --------------------------------------------------------------------------------------------


def measure_gain(folder: Path, fashion: Path, seeds: int) -> None:
    """Print the accuracy after learning from few pictures, mean and deviation over the seeds."""
    folder.mkdir()
    write_databases(folder, fashion)
    write_net(folder)
    for preset in PRESETS:
        found = [100 * accuracy(folder, preset, seed) for seed in list(SEEDS)[:seeds]]
        spread = statistics.stdev(found) if len(found) > 1 else 0.0
        print(
            f"{PICTURES} pictures of Fashion-MNIST, {EPOCHS} epochs, {preset:<7} "
            f"{statistics.mean(found):.2f} % right (± {spread:.2f}, {len(found)} seeds)"
        )


def accuracy(folder: Path, preset: str, seed: int) -> float:
    """Of the test pictures after a training, as a share."""
    iterations = EPOCHS * PICTURES // BATCH
    (folder / "solver.prototxt").write_text(
        SOLVER.format(
            iterations=iterations, step=iterations // 3 + 1, tests=TEST_PICTURES // TEST_BATCH,
            seed=seed,
        )
    )  # fmt: skip
    return float(ACCURACY.findall(train(folder, preset))[-1])


def write_net(folder: Path) -> None:
    """LeNet as the form makes it, but for the batches of the test."""
    facts = DatasetFacts(CATEGORIES, 1, SIDE, SIDE, "train_db", "test_db", None)
    made = make_networks(
        parse_network(standard_network_text("lenet", SIDE)),
        facts,
        NetworkOptions(batch_size=BATCH, use_mean=False),
    ).train_val
    made.layer[1].data_param.batch_size = TEST_BATCH
    prototxt.write_text(folder / "net.prototxt", made)


def write_databases(folder: Path, fashion: Path) -> None:
    """The first pictures of each category to learn from, all test pictures to measure."""
    with tempfile.TemporaryDirectory() as unpacked:
        for name, part in (("train", "train"), ("test", "t10k")):
            paths = [unpack(fashion, pattern.format(part), Path(unpacked)) for pattern in FILES]
            images, labels = read_labelled_images(*map(str, paths))
            chosen = few(labels) if name == "train" else range(TEST_PICTURES)
            with db.Writer(str(folder / f"{name}_db")) as writer:
                for number, index in enumerate(chosen):
                    record = datum.raw(images[index][:, :, np.newaxis], int(labels[index]))
                    writer.put(b"%08d" % number, record.SerializeToString())


def few(labels: np.ndarray) -> Iterator[int]:
    """Of each category the first ones, category after category in turns."""
    each = PICTURES // CATEGORIES
    found = np.stack([np.flatnonzero(labels == label)[:each] for label in range(CATEGORIES)])
    yield from found.T.ravel().tolist()


def unpack(folder: Path, name: str, into: Path) -> Path:
    """A file as it is, where it may be packed."""
    packed = folder / f"{name}.gz"
    if not packed.is_file():
        return folder / name
    (into / name).write_bytes(gzip.decompress(packed.read_bytes()))
    return into / name


if __name__ == "__main__":
    main()
