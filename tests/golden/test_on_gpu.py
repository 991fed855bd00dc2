"""The recordings of BVLC Caffe 1.0 on a GPU: the same comparisons, with the same tolerances."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from digits.caffe.machine.device import use_exact_float32
from digits.caffe.solving.solver_options import Options
from tests.golden import test_layers, test_nets, test_solvers, test_transforms
from tests.golden.cases import DATA, Case
from tests.golden.compare import TRANSFORMS, assert_close
from tests.golden.runs import copy_of, difference, run_caffe
from tests.golden.test_solvers import TRAINED, Run, compare_snapshots
from tests.gpus import GPU, gpu_context, needs_gpu

pytestmark = [pytest.mark.gpu, needs_gpu]

Enter = Callable[[Case], None]
BACKWARD = [name for name in test_nets.RUN if test_nets.CASES[name].facts["backward"]]
# Says which device is used, and so has other words than the recording.
DEVICE_LINES = ("caffe.cpp:197", "caffe.cpp:204", "caffe.cpp:209")


@pytest.fixture(autouse=True)
def exact_float32() -> None:
    use_exact_float32()


@pytest.mark.parametrize("name", [n for n in test_layers.CASES if n != test_layers.WRITES])
def test_layer_equals_caffe(name: str, enter: Enter) -> None:
    case = test_layers.CASES[name]
    enter(case)
    test_layers.compare_layer(case, GPU)


@pytest.mark.parametrize("name", test_nets.RUN)
def test_net_equals_caffe(name: str, enter: Enter) -> None:
    case = test_nets.CASES[name]
    enter(case)
    test_nets.compare_net(case, gpu_context())


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("name", BACKWARD)
def test_training_pass_equals_caffe(name: str, channels_last: bool, enter: Enter) -> None:
    case = test_nets.CASES[name]
    enter(case)
    test_nets.compare_training_pass(case, gpu_context(channels_last=channels_last))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("case", test_transforms.EXACT, ids=lambda case: case.name)
def test_batches_equal_the_recorded_ones(
    case: Case, channels_last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(case.folder)
    tolerance = test_transforms.TOLERANCES.get(case.facts.get("tolerance", ""), TRANSFORMS)
    passes = test_transforms.batches(case, device=GPU, channels_last=channels_last)
    for step, outputs in enumerate(passes):
        for name, values in outputs.items():
            expected = test_transforms.recorded(case, step, name)
            assert_close(values, expected, tolerance, f"{name} of pass {step}")


@pytest.mark.parametrize("case", test_transforms.RANDOM, ids=lambda case: case.name)
def test_random_batches_equal_the_cpus(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.folder)
    on_cpu, on_gpu = test_transforms.batches(case), test_transforms.batches(case, device=GPU)
    for ours, theirs in zip(on_gpu, on_cpu, strict=True):
        for name, values in theirs.items():
            assert_close(ours[name], values, TRANSFORMS, name)


@pytest.mark.parametrize("keep_blobs", [True, False])
@pytest.mark.parametrize("name", TRAINED)
def test_every_iteration_has_the_recorded_values(
    name: str, keep_blobs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(name, copy_of(DATA / "solvers" / name, tmp_path))
    monkeypatch.chdir(run.folder)
    context = gpu_context(channels_last=not keep_blobs)
    test_solvers.compare_trajectory(run, Options(context=context, keep_blobs=keep_blobs))


@pytest.mark.parametrize("name", ["lenet_sgd_inv", "adam_fixed", "snapshot_hdf5"])
def test_the_command_line_writes_the_recorded_log_and_snapshots(name: str, tmp_path: Path) -> None:
    run = Run(name, copy_of(DATA / "solvers" / name, tmp_path))
    for snapshot in run.facts.get("snapshots", []):
        (run.folder / snapshot).unlink()
    flags = ["--solver=solver.prototxt", f"--weights={run.facts['weights']}", "--gpu=0"]
    status, text = run_caffe(["train", *flags], run.folder)
    assert status == 0, text
    assert not difference(without_device(text), without_device(run.recorded(run.facts["log"])))
    for snapshot in run.facts.get("snapshots", []):
        theirs = DATA / "solvers" / name / snapshot
        compare_snapshots(run.folder / snapshot, theirs, run.final)


def without_device(text: str) -> str:
    """A log without the lines that say which device is used."""
    kept = [line for line in text.splitlines() if not any(mark in line for mark in DEVICE_LINES)]
    return "\n".join(kept)
