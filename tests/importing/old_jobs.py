"""Folders as the original DIGITS of spring 2015 left them, with real databases and snapshots."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

from tests.pictures import make_class_folders

DATASET_ID = "20150421-140640-d697"
MODEL_ID = "20150421-141500-0c3f"
CLASSES, PICTURES = 3, 12  # a category
BATCH_SIZE, MAX_ITER, SNAPSHOT = 4, 28, 7  # 27 pictures to train with are 7 iterations an epoch

# The nets as they were written then: absolute paths, and `input_dim` in the deploy file.
DATA = """
layer {{ name: "data" type: "Data" top: "data" top: "label" include {{ phase: {phase} }}
  transform_param {{ crop_size: 12 mean_file: "{dataset}/mean.binaryproto" {mirror} }}
  data_param {{ source: "{dataset}/{split}_db" batch_size: {batch_size} backend: LMDB }} }}
"""
BODY = """
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param { num_output: 8 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
"""
MEASURES = """
layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""
DEPLOY = (
    'input: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 12\ninput_dim: 12\n'
    + BODY
    + 'layer { name: "softmax" type: "Softmax" bottom: "ip2" top: "softmax" }\n'
)
SOLVER = f"""
test_iter: 3
test_interval: {SNAPSHOT}
base_lr: 0.001
display: 1
max_iter: {MAX_ITER}
lr_policy: "step"
gamma: 0.1
momentum: 0.9
weight_decay: 0.0005
stepsize: 10
snapshot: {SNAPSHOT}
snapshot_prefix: "snapshot"
solver_mode: CPU
net: "train_val.prototxt"
solver_type: NESTEROV
random_seed: 5
"""


def make_jobs(top: Path) -> Path:
    """A jobs directory of the original, with a dataset and a model trained on it."""
    jobs = top / "old-jobs"
    dataset = jobs / DATASET_ID
    dataset.mkdir(parents=True)
    pictures = make_class_folders(top / "pictures", classes=CLASSES, pictures=PICTURES)
    tool("digits.tools.parse_folder", pictures, dataset, "--seed", 1, "--pct-val", 25)
    size = ("--width", 16, "--height", 16, "--labels", "labels.txt", "--encoding", "png")
    means = ("--mean", "mean.binaryproto", "--mean", "mean.jpg")
    tool("digits.tools.create_db", "train.txt", "train_db", *size, *means, folder=dataset)
    tool("digits.tools.create_db", "val.txt", "val_db", *size, folder=dataset)
    train_model(jobs, dataset)
    for folder in (dataset, jobs / MODEL_ID):
        write_pickle(folder, top)
    return jobs


def train_model(jobs: Path, dataset: Path) -> None:
    model = jobs / MODEL_ID
    model.mkdir()
    train = DATA.format(
        phase="TRAIN", split="train", dataset=dataset, batch_size=BATCH_SIZE, mirror="mirror: true"
    )
    val = DATA.format(phase="TEST", split="val", dataset=dataset, batch_size=BATCH_SIZE, mirror="")
    (model / "train_val.prototxt").write_text(train + val + BODY + MEASURES)
    (model / "original.prototxt").write_text(BODY + MEASURES)
    (model / "deploy.prototxt").write_text(DEPLOY)
    (model / "solver.prototxt").write_text(SOLVER)
    with (model / "caffe_output.log").open("wb") as log:
        tool("digits.caffe", "train", "--solver=solver.prototxt", folder=model, log=log)


def tool(module: str, *arguments: object, folder: Path | None = None, log: object = None) -> None:
    """Run one of our programs to its end."""
    subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=folder,
        check=True,
        stdout=log or subprocess.DEVNULL,  # type: ignore[call-overload]
        stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def write_pickle(folder: Path, top: Path) -> None:
    (folder / "status.pickle").write_bytes(pickle.dumps(Bomb(top / "exploded")))
