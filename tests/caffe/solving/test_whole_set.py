"""Exact means over a test set whose size the batch size does not divide."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from digits.caffe.data import datum, db
from digits.caffe.formats.prototxt import parse_text
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.machine.randomness import Randomness
from digits.caffe.net import Net
from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.caffe.solver import Solver, get_solver
from digits.caffe.solving.solver_options import Options
from digits.caffe.solving.solver_param import read_solver_param

ITEMS, CLASSES = 7, 3
NET = """
layer {{ name: "in" type: "Data" top: "data" top: "label"
  data_param {{ source: "db" batch_size: {batch_size} backend: LMDB }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param {{ num_output: 3 weight_filler {{ type: "gaussian" std: 0.01 }} }} }}
{more}
layer {{ name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy"
  top: "each" include {{ phase: TEST }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" {loss} }}
"""
SOLVER = """
net: "net.prototxt" base_lr: 0.0001 lr_policy: "fixed" max_iter: 3 test_iter: {test_iter}
test_interval: 1 display: 0 snapshot_prefix: "snap" snapshot_after_train: false random_seed: 3
solver_mode: CPU
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a database of seven pictures of three classes."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(5)
    with db.Writer("db", db.LMDB) as writer:
        for number in range(ITEMS):
            image = random.integers(0, 256, (4, 5, 1), dtype=np.uint8)
            writer.put(
                f"{number:08d}".encode(), datum.raw(image, number * 2 % 3).SerializeToString()
            )
    return tmp_path


def run_tests(
    caplog: pytest.LogCaptureFixture,
    test_items: int,
    batch_size: int,
    more: str = "",
    loss: str = "",
) -> tuple[list[list[str]], Solver]:
    """The lines about outputs of each of four tests, and the solver after them."""
    text = NET.format(batch_size=batch_size, more=more, loss=loss)
    Path("net.prototxt").write_text(text)
    Path("solver.prototxt").write_text(SOLVER.format(test_iter=-(-ITEMS // batch_size)))
    options = Options(
        context=LayerContext(random=Randomness()), keep_blobs=False, test_items=test_items
    )
    solver = get_solver(read_solver_param("solver.prototxt"), options=options)
    caplog.clear()
    with caplog.at_level(logging.INFO, "digits.caffe"):
        solver.solve()
    solver.close()
    tests: list[list[str]] = []
    for message in caplog.messages:
        if "Testing net" in message:
            tests.append([])
        elif "Test net" in message:
            tests[-1].append(message.strip())
    return tests, solver


def exact(lines: list[str]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for line in lines:
        if match := re.fullmatch(rf"Test net over {ITEMS} items #\d+: (\w+) = (\S+)", line):
            found.setdefault(match[1], []).append(float(match[2]))
    return found


def item_by_item(solver: Solver) -> Iterator[tuple[int, int, float]]:
    """Label, best class and loss of each item, one at a time, with the last weights."""
    text = NET.format(batch_size=1, more="", loss="")
    param = parse_text(text, NetParameter())
    net = Net(param, Phase.TEST, context=LayerContext(random=Randomness()))
    net.share_with(solver.net)
    for _ in range(ITEMS):
        outputs = net.forward(["ip", "label"])
        yield int(outputs["label"][0]), int(outputs["ip"][0].argmax()), float(outputs["loss"])
    net.close()


@pytest.mark.parametrize("batch_size", [1, 3, 4, 6, 7, 10, 100])
def test_each_item_counts_once_and_what_caffe_says_stays(
    folder: Path, caplog: pytest.LogCaptureFixture, batch_size: int
) -> None:
    as_caffe, _ = run_tests(caplog, 0, batch_size)
    both, solver = run_tests(caplog, ITEMS, batch_size)
    assert len(both) == 4
    assert [[line for line in lines if " output " in line] for lines in both] == as_caffe
    items = list(item_by_item(solver))
    found = exact(both[-1])
    assert found["accuracy"] == [sum(best == label for label, best, _ in items) / ITEMS]
    assert found["loss"] == pytest.approx([sum(loss for *_, loss in items) / ITEMS], rel=1e-5)
    for number in range(CLASSES):
        right = [best == label for label, best, _ in items if label == number]
        assert found["each"][number] == sum(right) / len(right)


def test_a_loss_over_the_labels_that_count_is_put_together_by_them(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    both, solver = run_tests(caplog, ITEMS, 3, loss="loss_param { ignore_label: 1 }")
    losses = [loss for label, _, loss in item_by_item(solver) if label != 1]
    assert exact(both[-1])["loss"] == pytest.approx([sum(losses) / len(losses)], rel=1e-5)


def test_a_net_for_one_batch_size_is_tested_as_caffe_does(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fixed = """
        layer { name: "fixed" type: "Reshape" bottom: "ip" top: "fixed"
          reshape_param { shape { dim: 3 dim: 3 } } }
        layer { name: "silence" type: "Silence" bottom: "fixed" }
    """
    both, _ = run_tests(caplog, ITEMS, 3, more=fixed)
    as_caffe, _ = run_tests(caplog, 0, 3, more=fixed)
    assert both == as_caffe
    assert [exact(lines) for lines in both] == [{}] * 4


def test_a_test_that_does_not_see_the_whole_set_has_no_exact_means(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    both, _ = run_tests(caplog, 50, 3)
    assert [exact(lines) for lines in both] == [{}] * 4
