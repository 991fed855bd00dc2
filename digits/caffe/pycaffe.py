"""The names of pycaffe's module `caffe.pycaffe`, for scripts that import from it."""

from __future__ import annotations

from digits.caffe.net import Net
from digits.caffe.solver import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
)
from digits.caffe.solving.nccl import NCCL
from digits.caffe.timer import Timer

__all__ = [
    "NCCL",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "NesterovSolver",
    "Net",
    "RMSPropSolver",
    "SGDSolver",
    "Timer",
]
