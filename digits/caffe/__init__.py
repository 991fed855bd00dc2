"""A Caffe 1.0 engine on PyTorch, with pycaffe's interface: `from digits import caffe`.

    net = caffe.Net("deploy.prototxt", caffe.TEST, weights="snapshot.caffemodel")
    solver = caffe.get_solver("solver.prototxt")

What nets and solvers say goes to stderr in glog's form, as in pycaffe (`machine/log.py`).

Names are loaded when they are first used: importing the package alone imports neither PyTorch nor
anything else that is slow, so `digits.caffe.proto` and `digits.caffe.errors` cost nothing more.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from digits.caffe.classifier import Classifier
    from digits.caffe.detector import Detector
    from digits.caffe.layers.python_layer import Layer
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
    from digits.caffe.net_spec import NetSpec, assign_proto, params, to_proto
    from digits.caffe.solver import (
        AdaDeltaSolver,
        AdaGradSolver,
        AdamSolver,
        NesterovSolver,
        RMSPropSolver,
        SGDSolver,
        get_solver,
    )
    from digits.caffe.solving.nccl import NCCL
    from digits.caffe.timer import Timer

__version__ = "1.0.0"
TRAIN = 0
TEST = 1

_NAMES = {
    "AdaDeltaSolver": "solver",
    "AdaGradSolver": "solver",
    "AdamSolver": "solver",
    "Classifier": "classifier",
    "Detector": "detector",
    "NCCL": "solving.nccl",
    "Layer": "layers.python_layer",
    "NesterovSolver": "solver",
    "Net": "net",
    "NetSpec": "net_spec",
    "RMSPropSolver": "solver",
    "SGDSolver": "solver",
    "Timer": "timer",
    "assign_proto": "net_spec",
    "get_solver": "solver",
    "has_nccl": "machine.device",
    "init_log": "machine.log",
    "log": "machine.log",
    "params": "net_spec",
    "set_device": "machine.device",
    "set_mode_cpu": "machine.device",
    "set_mode_gpu": "machine.device",
    "set_multiprocess": "machine.device",
    "set_random_seed": "machine.device",
    "set_solver_count": "machine.device",
    "set_solver_rank": "machine.device",
    "solver_count": "machine.device",
    "solver_rank": "machine.device",
    "to_proto": "net_spec",
}
# Who uses these wants to see what nets and solvers log, as pycaffe shows it.
_LOGGING = frozenset(
    [
        "AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "Classifier", "Detector", "NesterovSolver",
        "Net", "RMSPropSolver", "SGDSolver", "get_solver",
    ]
)  # fmt: skip
# pycaffe's modules; `layers` is its object that makes layers of a NetSpec, too.
_MODULES = frozenset(
    [
        "_caffe",
        "classifier",
        "coord_map",
        "detector",
        "draw",
        "io",
        "layers",
        "net_spec",
        "proto",
        "pycaffe",
    ]
)

__all__ = [
    "NCCL",
    "TEST",
    "TRAIN",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Classifier",
    "Detector",
    "Layer",
    "NesterovSolver",
    "Net",
    "NetSpec",
    "RMSPropSolver",
    "SGDSolver",
    "Timer",
    "assign_proto",
    "get_solver",
    "has_nccl",
    "init_log",
    "layer_type_list",
    "log",
    "params",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
    "to_proto",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "layer_type_list":
        return importlib.import_module(f"{__name__}.layers.registry").layer_types
    if name in _LOGGING:
        importlib.import_module(f"{__name__}.machine.log").start_script_logging()
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
