"""`caffe.NCCL` as Caffe's `python/train.py` uses it: a process a solver, gradients averaged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from digits import caffe
from digits.caffe.errors import SolverError

NET = """layer { name: "d" type: "DummyData" top: "x" top: "y" dummy_data_param {
    shape { dim: 4 dim: 3 } shape { dim: 4 dim: 1 }
    data_filler { type: "gaussian" } data_filler { type: "gaussian" } } }
  layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
    inner_product_param { num_output: 1 weight_filler { type: "gaussian" } } }
  layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "y" top: "loss" }"""
PROCESS = """
import sys
from digits import caffe

uid, rank, count, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
caffe.set_solver_count(count)
caffe.set_solver_rank(rank)
caffe.set_multiprocess(True)
solver = caffe.SGDSolver("solver.prototxt")
nccl = caffe.NCCL(solver, uid)
nccl.bcast()
solver.add_callback(nccl)
solver.net.after_backward(nccl)
solver.step(3)
solver.net.save(out)
nccl.close()
"""


def test_the_name_of_a_group_is_bytes_as_pycaffes() -> None:
    assert isinstance(caffe.NCCL.new_uid(), bytes)


@pytest.mark.slow
def test_processes_train_one_net_together(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 3 random_seed: 1'
    )
    uid = caffe.NCCL.new_uid()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, uid.decode(), str(rank), "2", f"{rank}.caffemodel"],
            cwd=tmp_path,
        )
        for rank in (0, 1)
    ]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    nets = [
        caffe.Net(tmp_path / "net.prototxt", caffe.TEST, weights=tmp_path / f"{rank}.caffemodel")
        for rank in (0, 1)
    ]
    first, second = (net.params["ip"][0].data for net in nets)
    # They drew different data, and have made the same updates.
    assert np.array_equal(first, second)


def test_what_is_no_uid_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    solver = caffe.SGDSolver(
        caffe.proto.caffe_pb2.SolverParameter(
            net=str(tmp_path / "net.prototxt"), base_lr=1, lr_policy="fixed"
        )
    )
    with pytest.raises(SolverError, match=r"takes what NCCL.new_uid\(\) answers; received 'x'"):
        caffe.NCCL(solver, "x")
    with pytest.raises(TypeError, match="two functions, or one NCCL"):
        solver.add_callback(lambda: None)
