"""`caffe train --augmentation`: other pictures in training alone, to the bit the same again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from digits.caffe.__main__ import main
from digits.caffe.data.augmentation import PRESETS, Augmentation
from tests.caffe.data.conftest import MakeDatabase, make_database, picture

__all__ = ["make_database"]

NET = """\
name: "small"
layer { name: "in" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { scale: 0.01 mirror: true crop_size: 5 mean_value: 100 }
  data_param { source: "db" batch_size: 4 backend: LMDB } }
layer { name: "test_in" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { scale: 0.01 crop_size: 5 mean_value: 100 }
  data_param { source: "db" batch_size: 4 backend: LMDB } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" CONV
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = """\
net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 max_iter: ITERATIONS
test_iter: 2 test_interval: 4 snapshot: 4 display: 1 snapshot_prefix: "snap" random_seed: 3
solver_mode: CPU
"""
FROZEN = "param { lr_mult: 0 } param { lr_mult: 0 }"
Train = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a net and a database of ten pictures."""
    make_database([picture(i, 8, 8) for i in range(10)], "png")
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET.replace("CONV", ""))
    return tmp_path


def train(iterations: int = 8, *flags: str) -> str:
    """Train here; a digest of the weights after the last iteration."""
    Path("solver.prototxt").write_text(SOLVER.replace("ITERATIONS", str(iterations)))
    assert main(["train", "--solver=solver.prototxt", *flags]) == 0
    return hashlib.sha256(Path(f"snap_iter_{iterations}.caffemodel").read_bytes()).hexdigest()


def write(augmentation: Augmentation) -> str:
    """The flag for a file with these settings."""
    Path("augmentation.json").write_text(augmentation.to_text())
    return "--augmentation=augmentation.json"


@pytest.mark.usefixtures("folder")
def test_with_everything_off_a_training_is_the_same_to_the_bit() -> None:
    plain = train()
    assert train(8, write(Augmentation())) == plain
    assert train(8, write(PRESETS["light"])) != plain


@pytest.mark.usefixtures("folder")
def test_the_same_seed_gives_the_same_training() -> None:
    flag = write(PRESETS["strong"])
    assert train(8, flag) == train(8, flag)


@pytest.mark.usefixtures("folder")
def test_a_training_that_was_stopped_goes_on_to_the_bit() -> None:
    flag = write(PRESETS["strong"])
    whole = train(8, flag)
    for path in Path.cwd().glob("snap_*"):
        path.unlink()
    train(4, flag)
    assert train(8, flag, "--snapshot=snap_iter_4.solverstate") == whole


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_two_processes_train_on_changed_pictures() -> None:
    plain = train(3, "--processes=2")
    assert train(3, "--processes=2", write(PRESETS["medium"])) != plain


@pytest.mark.usefixtures("folder")
def test_the_variants_of_kept_features_are_of_changed_pictures() -> None:
    net = NET.replace("CONV", FROZEN).replace("mirror: true crop_size: 5", "")
    Path("net.prototxt").write_text(net.replace("crop_size: 5", ""))
    flags = ("--feature_cache=cache", "--feature_variants=3")
    train(2, *flags)
    plain = set(Path("cache").glob("*/0.npy"))
    assert {len(np.load(path)) for path in plain} == {1}
    train(2, *flags, write(Augmentation(aug_flip="fliplr")))
    (made,) = set(Path("cache").glob("*/0.npy")) - plain
    changed = np.load(made)
    assert len(changed) == 3
    (kept,) = np.load(min(plain))  # training and test have the same
    stays = [np.allclose(one, kept[i], atol=1e-5) for v in changed for i, one in enumerate(v)]
    assert 5 < sum(stays) < 25  # half of 30 are flipped
    before = set(Path("cache").glob("*/0.npy"))
    train(2, *flags, write(Augmentation(aug_flip="flipud")))
    assert len(set(Path("cache").glob("*/0.npy")) - before) == 1


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"format": 1, "aug_rot": 7', "cannot be used: it is no JSON"),
        ('{"format": 9}', "cannot be used: its format 9 is newer than 1"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_used_ends_the_training_with_its_reason(
    capfd: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    if text is not None:
        Path("augmentation.json").write_text(text)
    Path("solver.prototxt").write_text(SOLVER.replace("ITERATIONS", "8"))
    assert main(["train", "--solver=solver.prototxt", "--augmentation=augmentation.json"]) == 1
    printed = capfd.readouterr().err
    assert f"the augmentation file augmentation.json {said}" in printed
    assert "Traceback" not in printed


@pytest.mark.usefixtures("folder")
def test_a_net_without_pictures_that_can_be_changed_is_refused(
    capfd: pytest.CaptureFixture[str],
) -> None:
    source = Path("net.prototxt").read_text().partition('layer { name: "conv"')[2]
    data = (
        'layer { name: "made" type: "DummyData" top: "data" top: "label" dummy_data_param {'
        " shape { dim: 4 dim: 3 dim: 5 dim: 5 } shape { dim: 4 } } }\n"
    )
    Path("net.prototxt").write_text(f'{data}layer {{ name: "conv"{source}')
    Path("solver.prototxt").write_text(SOLVER.replace("ITERATIONS", "8"))
    flag = write(PRESETS["light"])
    assert main(["train", "--solver=solver.prototxt", flag]) == 1
    assert "one layer of the type Data or ImageData" in capfd.readouterr().err
