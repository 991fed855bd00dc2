"""The package as pycaffe's: its names, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from digits import caffe

NAMES = [
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
    "TEST",
    "TRAIN",
    "Timer",
    "classifier",
    "detector",
    "get_solver",
    "has_nccl",
    "init_log",
    "io",
    "layer_type_list",
    "layers",
    "log",
    "net_spec",
    "params",
    "proto",
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
    "NCCL",
    "_caffe",
    "pycaffe",
    "draw",
    "coord_map",
    "assign_proto",
]


@pytest.mark.parametrize("name", NAMES)
def test_pycaffes_name_is_there(name: str) -> None:
    assert getattr(caffe, name) is not None
    assert name in dir(caffe)


def test_constants_are_caffes() -> None:
    assert (caffe.TRAIN, caffe.TEST, caffe.__version__) == (0, 1, "1.0.0")


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'digits.caffe' has no attribute 'nothing'"):
        _ = caffe.nothing
    with pytest.raises(AttributeError, match=r"'digits\.caffe\.layers' has no attribute 'nothing'"):
        _ = caffe.layers.nothing


def _modules_after(code: str) -> set[str]:
    code += "; import sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "from digits import caffe; caffe.TRAIN",
        "import digits.caffe.errors, digits.caffe.proto.caffe_pb2",
        "from digits.caffe.formats import prototxt, upgrade; from digits.caffe.nets import rules",
        "from digits.caffe import layers as L, params as P; L.ReLU, P.Pooling.MAX",
    ],
)
def test_importing_loads_nothing_heavy(code: str) -> None:
    assert not _modules_after(code) & {"torch", "matplotlib", "cv2", "h5py", "flask"}


@pytest.mark.slow
def test_engine_knows_nothing_of_the_application() -> None:
    loaded = _modules_after("from digits import caffe; caffe.Net, caffe.get_solver, caffe.layers")
    ours = {name for name in loaded if name.startswith("digits")}
    assert {name for name in ours if not name.startswith("digits.caffe")} == {"digits"}
    assert "flask" not in loaded


def test_layers_are_layer_makers_and_the_package_of_layers() -> None:
    from digits.caffe import layers as L  # noqa: PLC0415  # as scripts write it
    from digits.caffe.layers.base import Layer  # noqa: PLC0415

    net = caffe.to_proto(L.ReLU(L.Input(shape={"dim": [1, 2]})))
    assert [layer.type for layer in net.layer] == ["Input", "ReLU"]
    assert Layer.__module__ == "digits.caffe.layers.base"


def test_layer_type_list_names_all_types() -> None:
    assert {"Convolution", "Python", "Data"} < set(caffe.layer_type_list())


def test_log_is_pycaffes_function(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    caffe.log("training on 100 % of the data")
    assert caplog.messages == ["training on 100 % of the data"]


def test_init_log_sends_messages_to_stderr() -> None:
    code = "from digits import caffe; caffe.init_log(); caffe.log('hello')"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stderr.startswith("I")
    assert run.stderr.endswith("] hello\n")


def test_timer_counts_milliseconds() -> None:
    timer = caffe.Timer()
    assert timer.ms == 0
    timer.start()
    sum(range(100_000))
    timer.stop()
    assert timer.ms > 0
    assert timer.ms == timer.ms
