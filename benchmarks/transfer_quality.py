"""How well a head learns on features, beside scikit-learn on the same features, and from nothing.

    python -m benchmarks.transfer_quality [--amounts 10 30 100] [--splits 5] [--sets emoji fashion]

Two real sets: the emoji of the font Noto Color Emoji by their group in Unicode (the Debian packages
fonts-noto-color-emoji and unicode-data), and Fashion-MNIST (dataset-fashion-mnist).  For each
amount of pictures a category, and each split into learned and measured, the same are learned by

    from nothing  LeNet with random weights, of pictures of 28 x 28
    head          the last layer of EfficientNet-Lite0, with all defaults, on features at 128 x 128
    searched      the same with the settings that the search has found on the learned pictures
    sklearn       scikit-learn's LogisticRegression on the same features, scaled to a deviation of 1

Prints a table of the docs: accuracies in percent, means over the splits.
"""

from __future__ import annotations

import argparse
import logging
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageFont
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.lite0 import BATCH, frozen_net
from digits.caffe.layers.base import LayerContext
from digits.caffe.machine.randomness import Randomness
from digits.caffe.nets.frozen import FrozenPart
from digits.caffe.proto import caffe_pb2
from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.model.network.text import parse_network, standard_network_text
from digits.model.network.training import DatasetFacts, NetworkOptions, make_networks
from digits.model.training.solver import SolverOptions, TrainingSize, make_solver
from digits.tools.cross_validation import Validation, ranked
from digits.tools.emoji_font import find_font
from digits.tools.emoji_pictures import FONT_SIZE, NOT_THERE, drawn, framed
from digits.tools.head_net import HeadNet, Records
from digits.tools.pretrained_weights import write_weights
from digits.tools.sample_formats import read_idx

EMOJI_TEST = Path("/usr/share/unicode/emoji/emoji-test.txt")
FASHION = Path("/usr/share/datasets/fashion-mnist")
SIDE, SMALL_SIDE = 128, 28
# As its Data layer has it.
LENET_SCALE = 0.00390625
# Measured on so many of a category at most, so that all categories count alike.
MEASURED = 100
# A category with fewer pictures beside the learned ones is left out of that row.
LEAST_MEASURED = 10
_LINE = re.compile(r"([0-9A-F ]+);\s*fully-qualified")

Pixels = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pictures:
    """Pictures (n, SIDE, SIDE, 3) in B,G,R, and the number of each one's category."""

    title: str
    pixels: Pixels
    labels: Integers


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--amounts", type=int, nargs="+", default=[10, 30, 100])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    options = parser.parse_args()
    measure_quality(options.sets, options.amounts, options.splits)


def measure_quality(sets: Sequence[str], amounts: Sequence[int], splits: int) -> None:
    """Print the table."""
    logging.getLogger("digits.caffe").setLevel(logging.ERROR)
    print("| pictures | a category | categories | from nothing | head | searched | sklearn |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        write_weights(Path(folder) / "lite0.caffemodel")
        for name in sets:
            _measure_set(SETS[name](max(amounts) + MEASURED), Path(folder) / name, amounts, splits)


def _measure_set(pictures: Pictures, folder: Path, amounts: Sequence[int], splits: int) -> None:
    folder.mkdir()
    threads = torch.get_num_threads()
    records, head = features_of(pictures, folder)
    torch.set_num_threads(1)  # as the search does
    small = Records([_small(pictures.pixels)[np.newaxis]], pictures.labels)
    for amount in amounts:
        chosen = _categories(pictures.labels, amount)
        found = [
            _measured(records, head, small, *split(pictures.labels, chosen, amount, seed))
            for seed in range(splits)
        ]
        means = 100 * np.mean(found, axis=0)
        words = " | ".join(f"{mean:.1f} %" for mean in means)
        print(f"| {pictures.title} | {amount} | {len(chosen)} | {words} |", flush=True)
    torch.set_num_threads(threads)


def features_of(pictures: Pictures, folder: Path) -> tuple[Records, Callable[[int], HeadNet]]:
    """The features of all pictures, and the head of so many categories."""
    weights = folder.parent / "lite0.caffemodel"
    net = frozen_net(folder, pictures.pixels, weights)
    try:
        part = net.frozen_part()
        found = [
            net.frozen_features(part, batch)[0].clone().numpy()
            for batch in part.layer.pictures(0, BATCH)
        ]
    finally:
        net.close()
    records = Records([np.concatenate(found)[np.newaxis]], pictures.labels)

    def head(categories: int) -> HeadNet:
        facts = DatasetFacts(categories, 3, SIDE, SIDE, "db", None, None)
        made = make_networks(
            parse_network(standard_network_text("efficientnet-lite0", SIDE)),
            facts,
            NetworkOptions(use_mean=False, fine_tune="head"),
        )
        return HeadNet(made.train_val, part, made.train_batch_size)

    return records, head


def split(
    labels: Integers, categories: Integers, amount: int, seed: int
) -> tuple[Integers, Integers]:
    """Numbers of the pictures to learn, `amount` a category, and of those to measure on."""
    random = np.random.default_rng(seed)
    learned, measured = [], []
    for category in categories:
        numbers = random.permutation(np.flatnonzero(labels == category))
        learned.append(numbers[:amount])
        measured.append(numbers[amount : amount + MEASURED])
    # In random order, as a database has them.
    return random.permutation(np.concatenate(learned)), np.concatenate(measured)


def _categories(labels: Integers, amount: int) -> Integers:
    counts = np.bincount(labels)
    return np.flatnonzero(counts >= amount + LEAST_MEASURED)


def _measured(
    records: Records,
    head: Callable[[int], HeadNet],
    small: Records,
    learned: Integers,
    measured: Integers,
) -> tuple[float, float, float, float]:
    """The accuracies of all four, 0 to 1."""
    known, labels = np.unique(records.labels[learned], return_inverse=True)
    renumbered = {old: new for new, old in enumerate(known)}
    rest = np.array([renumbered[label] for label in records.labels[measured]])
    learn = Records(records.part(learned).features, labels)
    test = Records(records.part(measured).features, rest)
    lite0, lenet = head(len(known)), _lenet(len(known))
    options = SolverOptions(random_seed=1)
    solver = _solver(options, len(learned), lite0.batch_size)
    best = ranked(Validation(lite0, solver, learn, _context()).measure())[0]
    searched = SolverOptions(
        random_seed=1, learning_rate=best.learning_rate, weight_decay=best.weight_decay
    )
    nothing = (
        Records(small.part(learned).features, labels),
        Records(small.part(measured).features, rest),
    )
    return (
        _accuracy(lenet, options, *nothing),
        _accuracy(lite0, options, learn, test),
        _accuracy(lite0, searched, learn, test),
        _by_sklearn(learn, test),
    )


def _accuracy(head: HeadNet, options: SolverOptions, learn: Records, test: Records) -> float:
    solver = head.train(_solver(options, len(learn), head.batch_size), learn, _context())
    try:
        return head.test(solver, test)["accuracy"]
    finally:
        solver.close()


def _by_sklearn(learn: Records, test: Records) -> float:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit(learn.features[0][0].reshape(len(learn), -1), learn.labels)
    return float(model.score(test.features[0][0].reshape(len(test), -1), test.labels))


def _solver(options: SolverOptions, count: int, batch: int) -> caffe_pb2.SolverParameter:
    return make_solver(options, TrainingSize(count, batch), use_gpu=False)


def _context() -> LayerContext:
    return LayerContext(channels_last=True, random=Randomness())


def _lenet(categories: int) -> HeadNet:
    """All of LeNet, as a head on the pictures themselves."""
    facts = DatasetFacts(categories, 3, SMALL_SIDE, SMALL_SIDE, "db", None, None)
    given = parse_network(standard_network_text("lenet", SMALL_SIDE))
    made = make_networks(given, facts, NetworkOptions(use_mean=False))
    net: NetParameter = made.train_val
    whole = SimpleNamespace(
        names=["data"],
        shapes=[(3, SMALL_SIDE, SMALL_SIDE)],
        nodes=[],
        data=SimpleNamespace(param=SimpleNamespace(top=["data", "label"])),
    )
    return HeadNet(net, cast(FrozenPart, whole), made.train_batch_size)


def _small(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Pictures as LeNet sees them, (n, 3, 28, 28), without their mean and scaled as it does."""
    small = np.stack(
        [
            np.asarray(Image.fromarray(each).resize((SMALL_SIDE,) * 2, Image.Resampling.BOX))
            for each in pixels
        ]
    ).astype(np.float32)
    scaled = LENET_SCALE * (small - small.mean(axis=0))
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


# Sets of pictures -------------------------------------------------------------------------------


def emoji(most: int) -> Pictures:
    """Emoji that are one character each, by group; at most so many of a group."""
    path = find_font()
    if path is None or not EMOJI_TEST.is_file():
        raise SystemExit("Install fonts-noto-color-emoji and unicode-data.")
    font = ImageFont.truetype(path, FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)
    missing = drawn(font, NOT_THERE).tobytes()
    pixels, labels = [], []
    for label, characters in enumerate(emoji_groups(EMOJI_TEST.read_text("utf-8")).values()):
        canvases = [drawn(font, character) for character in characters[:most]]
        there = [each for each in canvases if each.getbbox() and each.tobytes() != missing]
        pixels += [framed(canvas)[:, :, ::-1] for canvas in there]
        labels += [label] * len(there)
    return Pictures("emoji, by Unicode group", np.stack(pixels), np.array(labels))


def emoji_groups(text: str) -> Mapping[str, list[str]]:
    """The single characters of each group of Unicode's emoji-test.txt."""
    groups: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("# group: "):
            group = groups.setdefault(line.removeprefix("# group: "), [])
        elif found := _LINE.match(line):
            characters = [chr(int(code, 16)) for code in found[1].split() if code != "FE0F"]
            if len(characters) == 1:
                group.append(characters[0])
    return groups


def fashion(most: int) -> Pictures:
    """Fashion-MNIST's training pictures, enlarged and in colour."""
    names = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
    if not all((FASHION / name).is_file() for name in names):
        raise SystemExit("Install dataset-fashion-mnist.")
    counts: dict[int, int] = {}
    pixels, labels = [], []
    for label, picture in read_idx(*(FASHION / name for name in names)):
        counts[label] = counts.get(label, 0) + 1
        if counts[label] <= most:
            image = Image.fromarray(picture[:, :, 0]).convert("RGB")
            pixels.append(np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)))
            labels.append(int(label))
    return Pictures("Fashion-MNIST", np.stack(pixels), np.array(labels))


SETS: dict[str, Callable[[int], Pictures]] = {"emoji": emoji, "fashion": fashion}


if __name__ == "__main__":
    main()
