"""A training whose frozen layers run once: the same weights, and nothing half done is used."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from digits.caffe import TEST, Net
from digits.caffe.formats.prototxt import parse_text
from digits.caffe.layers.base import LayerContext
from digits.caffe.machine.randomness import Randomness
from digits.caffe.nets.frozen import NothingFrozen
from digits.caffe.proto.caffe_pb2 import NetParameter, SolverParameter
from digits.caffe.solver import Solver, get_solver
from digits.caffe.solving.feature_store import FeatureStore, NoRoom, Wanted
from digits.caffe.solving.signals import Action
from digits.caffe.solving.solver_options import Options
from tests.caffe.data.conftest import MakeDatabase, make_database, picture
from tests.disks import mounted_disk

__all__ = ["make_database"]

NET = """\
name: "small"
layer { name: "in" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { scale: 0.01 mean_value: 100 TRANSFORM }
  data_param { source: "db" batch_size: 4 backend: LMDB } }
layer { name: "test_in" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { scale: 0.01 mean_value: 100 }
  data_param { source: "db" batch_size: 3 backend: LMDB } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  param { lr_mult: 0 } param { lr_mult: 0 }
  convolution_param { num_output: 6 kernel_size: 3 weight_filler { type: "xavier" }
    bias_filler { type: "gaussian" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv"
  param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 }
  batch_norm_param { use_global_stats: true } }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" param { lr_mult: 0 }
  param { lr_mult: 0 } scale_param { bias_term: true filler { type: "gaussian" mean: 1 std: 0.2 }
    bias_filler { type: "gaussian" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { pool: AVE global_pooling: true } }
DROPOUT
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
DROP = 'layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" }'
CROP = """\
layer { name: "max" type: "Pooling" bottom: "conv" top: "max"
  pooling_param { kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "size" type: "Pooling" bottom: "conv" top: "size"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "cut" type: "Crop" bottom: "max" bottom: "size" top: "cut" }
"""
SOLVER = """\
net: "net.prototxt" base_lr: 0.05 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.001
max_iter: 12 test_iter: 4 test_interval: 4 display: 1 snapshot: 6 snapshot_prefix: "snap"
random_seed: 3
"""
PICTURES = 10
MakeSolver = Callable[..., Solver]


def net_text(transform: str = "", dropout: str = "") -> str:
    return NET.replace("TRANSFORM", transform).replace("DROPOUT", dropout)


def with_statistics(path: Path) -> None:
    """Weights for the net whose BatchNorm has means and variances of its own."""
    net = Net("net.prototxt", TEST)
    numbers = np.random.default_rng(1)
    mean, variance, divisor = net.params["bn"]
    mean.data[...] = numbers.normal(size=6)
    variance.data[...] = numbers.uniform(1, 3, 6)
    divisor.data[...] = 2
    net.save(path)
    net.close()


@pytest.fixture
def folder(tmp_path: Path, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a net, weights for it, and a database."""
    make_database([picture(i) for i in range(PICTURES)])
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(net_text())
    Path("solver.prototxt").write_text(SOLVER + 'weights: "given.caffemodel"\n')
    with_statistics(Path("given.caffemodel"))
    return tmp_path


@pytest.fixture
def make_solver(folder: Path) -> Iterator[MakeSolver]:
    made: list[Solver] = []

    def make(cache: str = "", **options: object) -> Solver:
        param = SolverParameter()
        parse_text(Path("solver.prototxt").read_text(), param)
        context = LayerContext(random=Randomness(), channels_last=True)
        options = {"context": context, "keep_blobs": False, "test_items": PICTURES, **options}
        made.append(get_solver(param, options=Options(feature_cache=cache, **options)))
        return made[-1]

    yield make
    for solver in made:
        solver.close()


def weights(solver: Solver) -> list[np.ndarray]:
    return [blob.data.copy() for blobs in solver.net.params.values() for blob in blobs]


def assert_close(one: Solver, other: Solver) -> None:
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def entries(cache: str = "cache") -> list[str]:
    return sorted(path.name for path in Path(cache).iterdir())


def outputs(caplog: pytest.LogCaptureFixture) -> list[tuple[str, float]]:
    """The net outputs and losses that the log has, in order."""
    found = re.findall(r"(\w+ net .*?|Iteration \d+ .*loss) = (\S+)", caplog.text)
    return [(re.sub(r"\(.*?\)", "", name), float(value)) for name, value in found]


@pytest.mark.parametrize("dropout", ["", DROP])
def test_the_weights_and_the_log_are_as_without_it(
    make_solver: MakeSolver, caplog: pytest.LogCaptureFixture, dropout: str
) -> None:
    Path("net.prototxt").write_text(net_text(dropout=dropout))
    caplog.set_level(logging.INFO, "digits.caffe")
    plain = make_solver()
    plain.solve()
    expected = outputs(caplog)
    files = sorted(path.name for path in Path.cwd().glob("snap*"))
    for path in Path.cwd().glob("snap*"):
        path.unlink()
    caplog.clear()
    cached = make_solver("cache")
    cached.solve()
    assert_close(plain, cached)
    found = outputs(caplog)
    assert [name for name, _ in found] == [name for name, _ in expected]
    assert len(found) > 20
    np.testing.assert_allclose(
        [value for _, value in found], [value for _, value in expected], rtol=1e-4
    )
    assert sorted(path.name for path in Path.cwd().glob("snap*")) == files
    assert list(cached.net.params) == list(plain.net.params)


def test_a_second_training_reads_what_the_first_one_made(
    make_solver: MakeSolver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "digits.caffe")
    first = make_solver("cache")
    first.solve()
    before = entries()
    assert "Computing pool of 10 records for the training, 1 time(s) each" in caplog.text
    caplog.clear()
    second = make_solver("cache")
    second.solve()
    assert "Computing" not in caplog.text
    assert "Reading pool of 10 records for the training" in caplog.text
    assert_close(first, second)
    assert entries() == before


def test_what_is_cut_off_to_the_size_of_another_blob_runs_once_too(
    make_solver: MakeSolver, caplog: pytest.LogCaptureFixture
) -> None:
    """What used to happen: all layers above a Crop ran in every epoch."""
    text = net_text().replace('bottom: "conv" top: "pool"', 'bottom: "cut" top: "pool"')
    before, mark, after = text.partition('layer { name: "pool"')
    Path("net.prototxt").write_text(f"{before}{CROP}{mark}{after}")
    caplog.set_level(logging.INFO, "digits.caffe")
    cached = make_solver("cache")
    cached.solve()
    assert "Computing pool of 10 records for the training" in caplog.text
    plain = make_solver()
    plain.solve()
    assert_close(plain, cached)


def test_a_training_goes_on_from_a_snapshot_with_or_without_it(make_solver: MakeSolver) -> None:
    whole = make_solver("cache")
    whole.solve()
    for cache in ("", "cache"):
        resumed = make_solver(cache)
        resumed.restore("snap_iter_6.solverstate")
        resumed.solve()
        assert_close(whole, resumed)


@pytest.mark.parametrize(("asked", "kept"), [(0, 4), (3, 3)])
def test_random_crops_are_kept_in_variants(make_solver: MakeSolver, asked: int, kept: int) -> None:
    Path("net.prototxt").write_text(net_text("crop_size: 5 mirror: true"))
    solver = make_solver("cache", feature_variants=asked)
    solver.step(1)
    arrays = [np.load(path) for path in Path("cache").glob("*/0.npy")]
    assert sorted(array.shape for array in arrays) == [
        (1, PICTURES, 6, 1, 1),
        (kept, PICTURES, 6, 1, 1),
    ]
    (random,) = (array for array in arrays if len(array) == kept)
    assert not np.allclose(random[0], random[1])
    again = make_solver("cache", feature_variants=asked)
    again.step(1)
    assert_close(solver, again)


def test_a_crop_that_is_the_whole_picture_is_not_random(make_solver: MakeSolver) -> None:
    from digits.caffe.data import datum, db  # noqa: PLC0415

    with db.Writer("square") as writer:
        for number in range(4):
            record = datum.raw(picture(number, 6, 6), number)
            writer.put(f"{number}".encode(), record.SerializeToString())
    Path("net.prototxt").write_text(net_text("crop_size: 6").replace('"db"', '"square"'))
    make_solver("cache").step(1)
    assert {np.load(path).shape for path in Path("cache").glob("*/0.npy")} == {(1, 4, 6, 1, 1)}


def test_other_weights_pictures_or_transformations_have_features_of_their_own(
    make_solver: MakeSolver, make_database: MakeDatabase
) -> None:
    def count() -> int:
        make_solver("cache").step(1)
        return len(list(Path("cache").glob("*/0.npy")))

    first = count()
    assert count() == first
    Path("net.prototxt").write_text(net_text().replace("scale: 0.01", "scale: 0.02"))
    second = count()
    assert second > first
    with_statistics(Path("given.caffemodel"))  # with other random weights
    third = count()
    assert third > second
    Path("db").rename("old")
    make_database([picture(i + 50) for i in range(PICTURES)])
    assert count() > third


def test_folded_normalisations_give_the_same_features(make_solver: MakeSolver) -> None:
    solver = make_solver()
    part = solver.net.frozen_part()
    assert len(part.folds) == 1
    pictures = next(part.layer.pictures(0, 10))
    folded = [each.clone() for each in solver.net.frozen_features(part, pictures)]
    part.folds = []
    plain = solver.net.frozen_features(part, pictures)
    for one, other in zip(folded, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert len(solver.net.params["conv"]) == 2


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("param { lr_mult: 0 } param { lr_mult: 0 }\n  conv", "conv", "learn read the pictures"),
        ('name: "small"', 'name: "small" force_backward: true', "force_backward"),
    ],
)  # fmt: skip
def test_what_cannot_be_frozen_says_why(
    make_solver: MakeSolver, old: str, new: str, reason: str
) -> None:
    assert old in net_text()
    Path("net.prototxt").write_text(net_text().replace(old, new))
    solver = make_solver()
    with pytest.raises(NothingFrozen, match=reason):
        solver.net.frozen_part()


def frozen_names(text: str) -> list[str]:
    """The features of a net in the TRAIN phase."""
    param = parse_text(text, NetParameter())
    solver = SolverParameter(net_param=param, base_lr=1, lr_policy="fixed")
    made = get_solver(solver, options=Options(keep_blobs=False))
    try:
        return made.net.frozen_part().names
    finally:
        made.close()


def test_chance_statistics_and_shared_parameters_end_what_is_frozen(folder: Path) -> None:
    text = net_text()
    assert frozen_names(text) == ["pool"]
    assert frozen_names(text.replace('"conv" top: "pool"', '"drop" top: "pool"').replace(
        'layer { name: "pool"',
        'layer { name: "drop" type: "Dropout" bottom: "conv" top: "drop" }\nlayer { name: "pool"',
    )) == ["conv"]  # fmt: skip
    batch = text.replace("batch_norm_param { use_global_stats: true }", "")
    assert frozen_names(batch) == ["conv"]
    stochastic = text.replace("pool: AVE global_pooling: true", "pool: STOCHASTIC kernel_size: 2")
    assert frozen_names(stochastic) == ["conv"]


def test_what_is_read_twice_is_kept_once(folder: Path) -> None:
    twice = net_text() + (
        'layer { name: "ip2" type: "InnerProduct" bottom: "pool" top: "ip2"'
        " inner_product_param { num_output: 2 } }\n"
        'layer { name: "loss2" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "l2" }\n'
    )
    assert frozen_names(twice) == ["pool"]


# Files -------------------------------------------------------------------------------------------


def wanted(records: int = 4) -> Wanted:
    return Wanted("abc", 1, records, ["pool"], [(3,)])


def batches(count: int = 4) -> Iterator[list[np.ndarray]]:
    for number in range(count):
        yield [np.full((1, 3), number, np.float32)]


def never() -> None:
    raise AssertionError("nobody else makes it")


def test_a_damaged_entry_is_made_anew(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    with store.turn(wanted(), never):
        store.write(wanted(), batches())
    path = tmp_path / "abc" / "0.npy"
    for damage in (path.read_bytes()[:-4], b"", b"what"):
        path.write_bytes(damage)
        assert store.find(wanted()) is None
        with store.turn(wanted(), never):
            (array,) = store.write(wanted(), batches())
        assert array[0, :, 0].tolist() == [0, 1, 2, 3]
    assert store.find(wanted(records=5)) is None


def test_what_fails_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)

    def failing() -> Iterator[list[np.ndarray]]:
        yield from batches(2)
        raise ValueError("a broken record")

    with pytest.raises(ValueError, match="broken"), store.turn(wanted(), never):
        store.write(wanted(), failing())
    assert [path.name for path in tmp_path.iterdir()] == [".lock-abc"]


def test_two_at_once_compute_once(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    made, waited = [], []
    begun, may_go_on = threading.Event(), threading.Event()

    def slowly() -> Iterator[list[np.ndarray]]:
        begun.set()
        may_go_on.wait(30)
        yield from batches()

    def ask() -> None:
        with store.turn(wanted(), lambda: (waited.append(1), may_go_on.set())):
            if store.find(wanted()) is None:
                made.append(store.write(wanted(), slowly()))

    first = threading.Thread(target=ask)
    first.start()
    begun.wait(30)
    second = threading.Thread(target=ask)
    second.start()
    first.join()
    second.join()
    assert len(made) == 1
    assert waited
    assert store.find(wanted()) is not None


KILLED = """
import os, signal, sys
import numpy as np
from pathlib import Path
from digits.caffe.solving.feature_store import FeatureStore, Wanted
def batches():
    yield [np.zeros((1, 3), np.float32)]
    os.kill(os.getpid(), signal.SIGKILL)
wanted = Wanted("abc", 1, 4, ["pool"], [(3,)])
store = FeatureStore(Path(sys.argv[1]))
with store.turn(wanted, lambda: None):
    store.write(wanted, batches())
"""


def test_what_a_killed_one_has_left_is_not_used_and_goes(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert any(path.name.startswith(".part-") for path in tmp_path.iterdir())
    store = FeatureStore(tmp_path)
    assert store.find(wanted()) is None
    with store.turn(wanted(), never):
        store.write(wanted(), batches())
    assert [path.name for path in tmp_path.iterdir()] == ["abc"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a disk needs root")
def test_a_full_disk_is_told_and_the_training_runs_without(
    make_solver: MakeSolver, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO, "digits.caffe")
    plain = make_solver()
    plain.solve()
    with mounted_disk(tmp_path / "disk") as disk:
        disk.fill()
        solver = make_solver(str(disk.path))
        solver.solve()
        assert_close(plain, solver)
        assert "The features for the training cannot be kept, and are not used" in caplog.text
        assert not list(disk.path.glob("*/info.json"))


def test_no_room_is_seen_before_anything_is_written(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    huge = Wanted("abc", 1, 10**12, ["pool"], [(1000,)])
    with pytest.raises(NoRoom, match="the disk has left"), store.turn(huge, never):
        store.write(huge, batches())


def test_a_stop_while_features_are_made_leaves_none(make_solver: MakeSolver) -> None:
    solver = make_solver("cache", action=lambda: Action.STOP)
    solver.solve()
    assert solver.iter == 0
    assert [name for name in entries() if not name.startswith(".lock")] == []
