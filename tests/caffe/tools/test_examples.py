"""Shell scripts that call programs as those of Caffe's `examples/` do: through `build/`, unedited.

The data is random and small; the steps, names and formats are those of the four examples.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.slow

RANDOM = np.random.default_rng(0)
HEAD = "#!/usr/bin/env sh\nset -e\n"
MNIST = f"""{HEAD}
EXAMPLE=examples/mnist
DATA=data/mnist
BUILD=build/examples/mnist
BACKEND="lmdb"
rm -rf $EXAMPLE/mnist_train_${{BACKEND}} $EXAMPLE/mnist_test_${{BACKEND}}
for PART in train t10k; do
  $BUILD/convert_mnist_data.bin $DATA/$PART-images-idx3-ubyte $DATA/$PART-labels-idx1-ubyte \\
    $EXAMPLE/mnist_${{PART}}_${{BACKEND}} --backend=${{BACKEND}}
done
./build/tools/caffe train --solver=examples/mnist/solver.prototxt $@
"""
CIFAR = f"""{HEAD}
EXAMPLE=examples/cifar10
DATA=data/cifar10
DBTYPE=lmdb
./build/examples/cifar10/convert_cifar_data.bin $DATA $EXAMPLE $DBTYPE
./build/tools/compute_image_mean -backend=$DBTYPE \\
  $EXAMPLE/cifar10_train_$DBTYPE $EXAMPLE/mean.binaryproto
TOOLS=./build/tools
$TOOLS/caffe train --solver=$EXAMPLE/solver.prototxt $@
$TOOLS/caffe train --solver=$EXAMPLE/solver_lr1.prototxt \\
  --snapshot=$EXAMPLE/quick_iter_3.solverstate.h5 $@
"""
SIAMESE = f"""{HEAD}
EXAMPLES=./build/examples/siamese
DATA=./data/mnist
rm -rf ./examples/siamese/mnist_siamese_train_leveldb
$EXAMPLES/convert_mnist_siamese_data.bin \\
    $DATA/train-images-idx3-ubyte \\
    $DATA/train-labels-idx1-ubyte \\
    ./examples/siamese/mnist_siamese_train_leveldb
TOOLS=./build/tools
$TOOLS/caffe train --solver=examples/siamese/solver.prototxt $@
"""
HDF5 = f"{HEAD}./build/tools/caffe train -solver examples/hdf5/solver.prototxt\n"

DATA_LAYER = """layer {{ name: "data" type: "Data" top: "{top}" top: "label"
  transform_param {{ {transform} }} data_param {{ source: "{source}" batch_size: 5 {more} }} }}
"""
HEAD_LAYERS = """layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def solver(folder: str, steps: int, more: str = "") -> str:
    return (
        f'net: "{folder}/net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: {steps} '
        f'display: 1 snapshot_prefix: "{folder}/quick" {more}'
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout's root, with `build` made."""
    for name in ("mnist", "cifar10", "siamese", "hdf5"):
        (tmp_path / "examples" / name).mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "digits.caffe", "build", str(tmp_path)], check=True)
    return tmp_path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / "examples" / name).write_text(text)


def write_mnist(root: Path) -> None:
    (root / "data" / "mnist").mkdir(parents=True)
    for part in ("train", "t10k"):
        pictures = RANDOM.integers(0, 256, (20, 28, 28)).astype(np.uint8)
        start = root / "data" / "mnist" / part
        labels = bytes(range(10)) * 2
        start.with_name(f"{part}-images-idx3-ubyte").write_bytes(
            struct.pack(">4I", 2051, *pictures.shape) + pictures.tobytes()
        )
        start.with_name(f"{part}-labels-idx1-ubyte").write_bytes(
            struct.pack(">2I", 2049, 20) + labels
        )


def run(root: Path, script: str, *arguments: str) -> str:
    (root / "script.sh").write_text(script)
    (root / "script.sh").chmod(0o755)
    done = subprocess.run(
        ["./script.sh", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_mnist(root: Path) -> None:
    write_mnist(root)
    layer = DATA_LAYER.format(
        top="data", transform="scale: 0.00390625", more="backend: LMDB",
        source="examples/mnist/mnist_train_lmdb",
    )  # fmt: skip
    write(
        root,
        {
            "mnist/net.prototxt": layer + HEAD_LAYERS,
            "mnist/solver.prototxt": solver("examples/mnist", 3),
        },
    )
    assert "Optimization Done." in run(root, MNIST, "--sigint_effect=stop")
    assert (root / "examples" / "mnist" / "quick_iter_3.caffemodel").exists()


def test_cifar10_goes_on_from_a_snapshot_in_hdf5(root: Path) -> None:
    (root / "data" / "cifar10").mkdir(parents=True)
    for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]:
        records = RANDOM.integers(0, 256, (10_000, 3073)).astype(np.uint8)
        records[:, 0] %= 10
        (root / "data" / "cifar10" / f"{name}.bin").write_bytes(records.tobytes())
    folder = "examples/cifar10"
    layer = DATA_LAYER.format(
        top="data", transform=f'mean_file: "{folder}/mean.binaryproto"', more="backend: LMDB",
        source=f"{folder}/cifar10_train_lmdb",
    )  # fmt: skip
    write(
        root,
        {
            "cifar10/net.prototxt": layer + HEAD_LAYERS,
            "cifar10/solver.prototxt": solver(folder, 3, "snapshot_format: HDF5"),
            "cifar10/solver_lr1.prototxt": solver(folder, 5, "snapshot_format: HDF5"),
        },
    )
    said = run(root, CIFAR)
    assert said.count("caffe.cpp:250] Optimization Done.") == 2
    assert (root / folder / "quick_iter_5.caffemodel.h5").exists()


def test_siamese(root: Path) -> None:
    write_mnist(root)
    folder = "examples/siamese"
    layer = DATA_LAYER.format(
        top="pair", transform="scale: 0.00390625", more="",
        source=f"{folder}/mnist_siamese_train_leveldb",
    ).replace('"label"', '"sim"')  # fmt: skip
    branch = (
        'layer {{ name: "ip{0}" type: "InnerProduct" bottom: "data{0}" top: "feat{0}" '
        'param {{ name: "w" }} param {{ name: "b" }} '
        'inner_product_param {{ num_output: 2 weight_filler {{ type: "xavier" }} }} }}\n'
    )
    write(
        root,
        {
            "siamese/net.prototxt": layer
            + 'layer { name: "slice" type: "Slice" bottom: "pair" top: "data1" top: "data2" '
            "slice_param { slice_dim: 1 slice_point: 1 } }\n"
            + branch.format(1)
            + branch.format(2)
            + 'layer { name: "loss" type: "ContrastiveLoss" bottom: "feat1" bottom: "feat2" '
            'bottom: "sim" top: "loss" contrastive_loss_param { margin: 1 } }\n',
            "siamese/solver.prototxt": solver(folder, 3),
        },
    )
    assert "Optimization Done." in run(root, SIAMESE)


def test_hdf5(root: Path) -> None:
    folder = root / "examples" / "hdf5"
    with h5py.File(folder / "train.h5", "w") as file:
        file["data"] = RANDOM.normal(size=(20, 4)).astype(np.float32)
        file["label"] = (np.arange(20) % 2).astype(np.float32)
    write(
        root,
        {
            "hdf5/net.prototxt": 'layer { name: "data" type: "HDF5Data" top: "data" '
            'top: "label" hdf5_data_param { source: "examples/hdf5/train.txt" batch_size: 5 } }\n'
            + HEAD_LAYERS,
            "hdf5/solver.prototxt": solver("examples/hdf5", 3),
        },
    )
    (folder / "train.txt").write_text("examples/hdf5/train.h5\n")
    assert "Optimization Done." in run(root, HDF5)
