"""The names of pycaffe's C++ module `caffe._caffe`, for scripts that reach into it.

Its vectors are lists here.  Elsewhere: everything that has these names.
"""

from __future__ import annotations

from digits.caffe import __version__
from digits.caffe.blob import Blob
from digits.caffe.layers.python_layer import BlobVec, Layer
from digits.caffe.layers.registry import layer_types as layer_type_list
from digits.caffe.machine.device import (
    has_nccl,
    set_device,
    set_mode_cpu,
    set_mode_gpu,
    set_multiprocess,
    set_random_seed,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from digits.caffe.machine.log import init_log, log
from digits.caffe.net import Net
from digits.caffe.proto.caffe_pb2 import LayerParameter, SolverParameter
from digits.caffe.solver import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    Solver,
    get_solver,
)
from digits.caffe.solving.nccl import NCCL
from digits.caffe.timer import Timer

__all__ = [
    "NCCL",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Blob",
    "BlobVec",
    "BoolVec",
    "DtypeVec",
    "IntVec",
    "Layer",
    "LayerParameter",
    "LayerVec",
    "NesterovSolver",
    "Net",
    "NetVec",
    "RMSPropSolver",
    "RawBlobVec",
    "SGDSolver",
    "Solver",
    "SolverParameter",
    "StringVec",
    "Timer",
    "__version__",
    "get_solver",
    "has_nccl",
    "init_log",
    "layer_type_list",
    "log",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
]

BoolVec = DtypeVec = IntVec = LayerVec = NetVec = RawBlobVec = StringVec = list
