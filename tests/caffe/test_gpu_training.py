"""Training on a GPU: paused and resumed, beside the CPU, several at a time, without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from digits.caffe.errors import CaffeError
from digits.caffe.formats.prototxt import parse_text
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.machine.randomness import Randomness
from digits.caffe.net import Net
from digits.caffe.proto.caffe_pb2 import NetParameter, SolverParameter
from digits.caffe.solver import Solver, get_solver
from digits.caffe.solving.precision import Precision
from digits.caffe.solving.solver_options import Options
from tests.caffe.data.conftest import MakeDatabase, make_database, picture
from tests.gpus import GPU, gpu_context, needs_gpu

__all__ = ["make_database"]

pytestmark = [pytest.mark.gpu, needs_gpu]

# What a net of pictures has: a mean to subtract, crops by chance, LRN, dropout.
NET = """\
name: "small"
layer {{ name: "in" type: "Data" top: "data" top: "label"
  transform_param {{ scale: 0.01 mirror: true crop_size: 9 mean_value: 100 }}
  data_param {{ source: "{source}" batch_size: 4 backend: LMDB }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 8 kernel_size: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "conv" top: "conv" }}
layer {{ name: "norm" type: "LRN" bottom: "conv" top: "norm" }}
layer {{ name: "pool" type: "Pooling" bottom: "norm" top: "pool"
  pooling_param {{ pool: MAX kernel_size: 3 stride: 2 }} }}
layer {{ name: "drop" type: "Dropout" bottom: "pool" top: "pool" {dropout} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  inner_product_param {{ num_output: 10 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
"""
SOLVER = """\
net: "net.prototxt" base_lr: 0.05 lr_policy: "step" gamma: 0.5 stepsize: 4 momentum: 0.9
weight_decay: 0.001 max_iter: 12 snapshot_prefix: "snap" random_seed: 3
"""
NO_DROPOUT = "dropout_param { dropout_ratio: 0 }"
MakeSolver = Callable[..., Solver]


@pytest.fixture
def make_solver(
    tmp_path: Path, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeSolver]:
    """Makes solvers in a folder of their own; all are closed in the end."""
    source = make_database([picture(i, 12, 14) for i in range(10)])
    monkeypatch.chdir(tmp_path)
    made: list[Solver] = []

    def make(
        context: LayerContext | None = None, more: str = "", dropout: str = "", **options: object
    ) -> Solver:
        Path("net.prototxt").write_text(NET.format(source=source, dropout=dropout))
        context = context or gpu_context(channels_last=True)
        options = {"keep_blobs": False, "context": context} | options
        param = parse_text(SOLVER, SolverParameter())
        param.MergeFrom(parse_text(more, SolverParameter()))
        made.append(get_solver(param, options=Options(**options)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for solver in made:
        solver.close()


def weights(solver: Solver) -> dict[str, np.ndarray]:
    return {
        f"{layer} {index}": blob.data.copy()
        for layer, blobs in solver.net.params.items()
        for index, blob in enumerate(blobs)
    }


def assert_near(one: Solver, other: Solver, rel: float) -> None:
    theirs = weights(other)
    for name, values in weights(one).items():
        assert np.abs(values - theirs[name]).max() <= rel * np.abs(theirs[name]).max(), name


def test_a_resumed_training_gives_the_weights_of_one_that_was_not_paused(
    make_solver: MakeSolver,
) -> None:
    whole = make_solver()
    whole.step(12)
    paused = make_solver()
    paused.step(6)
    paused.snapshot()
    resumed = make_solver()
    resumed.restore("snap_iter_6.solverstate")
    assert resumed.iter == 6
    resumed.step(6)
    assert_near(resumed, whole, rel=1e-5)


def test_a_training_goes_on_on_the_other_kind_of_device(make_solver: MakeSolver) -> None:
    on_cpu = LayerContext(random=Randomness(), channels_last=True)
    whole = make_solver(on_cpu, dropout=NO_DROPOUT)
    whole.step(12)
    for first, second in ((on_cpu, None), (None, on_cpu)):
        begun = make_solver(first, dropout=NO_DROPOUT)
        begun.step(6)
        begun.snapshot()
        goes_on = make_solver(second, dropout=NO_DROPOUT)
        goes_on.restore("snap_iter_6.solverstate")
        goes_on.step(6)
        assert_near(goes_on, whole, rel=1e-4)


def test_solvers_that_take_turns_on_one_gpu_do_not_mix(make_solver: MakeSolver) -> None:
    alone = make_solver()
    alone.step(8)
    first, second = make_solver(), make_solver(more="type: 'Adam' base_lr: 0.001")
    for _ in range(8):
        first.step(1)
        second.step(1)
    assert_near(first, alone, rel=1e-5)
    assert first.net.learnable_params[0].device == GPU


@pytest.mark.parametrize("rule", ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"])
def test_the_host_does_not_wait_for_the_gpu_within_an_iteration(
    make_solver: MakeSolver, rule: str
) -> None:
    momentum = "" if rule in ("SGD", "Nesterov", "Adam", "AdaDelta") else "momentum: 0"
    solver = make_solver(more=f"type: '{rule}' {momentum}")
    solver.step(2)
    torch.cuda.set_sync_debug_mode("error")
    try:
        solver.step(3)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert solver.iter == 5


@pytest.mark.parametrize("precision", [Precision.TF32, Precision.BF16])
def test_coarser_precisions_train_nearly_the_same(
    make_solver: MakeSolver, precision: Precision
) -> None:
    exact, coarse = make_solver(dropout=NO_DROPOUT), None
    exact.step(4)
    coarse = make_solver(dropout=NO_DROPOUT, precision=precision)
    coarse.step(4)
    assert_near(coarse, exact, rel=0.1)
    make_solver(precision=Precision.FP32)
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


def test_a_nan_loss_ends_the_training_before_the_weights_have_it(make_solver: MakeSolver) -> None:
    solver = make_solver(more="base_lr: 1e30")
    with pytest.raises(CaffeError, match="the loss is nan in iteration"):
        solver.step(10)


def test_labels_out_of_range_are_named_and_the_gpu_goes_on(make_solver: MakeSolver) -> None:
    solver = make_solver()
    for blob in solver.net.params["ip"]:
        assert blob.shape[0] == 10
    text = Path("net.prototxt").read_text().replace("num_output: 10", "num_output: 6")
    Path("small.prototxt").write_text(text)
    for keep_blobs in (True, False):
        narrow = make_solver(more="net: 'small.prototxt'", keep_blobs=keep_blobs)
        before = weights(narrow)
        with pytest.raises(CaffeError, match="holds 6 at position 2; expected whole numbers from"):
            narrow.step(3)
        # The first batch was within, the update of the second one was not made.
        assert narrow.iter == 1
        assert any((before[name] != values).any() for name, values in weights(narrow).items())
    solver.step(2)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (
            'layer { name: "l" type: "HingeLoss" bottom: "scores" bottom: "label" top: "l" }',
            "layer 'l' (HingeLoss): bottom 'label' holds 9 at position 1",
        ),
        (
            'layer { name: "l" type: "Embed" bottom: "label" top: "l" '
            "embed_param { input_dim: 4 num_output: 2 } }",
            "layer 'l' (Embed): bottom 'label' holds 9 at position 1",
        ),
        (
            'layer { name: "l" type: "Accuracy" bottom: "scores" bottom: "label" top: "l" '
            "accuracy_param { ignore_label: 7 } }",
            "layer 'l' (Accuracy): bottom 'label' holds 9 at position 1",
        ),
    ],
)
def test_indices_out_of_range_are_named(layers: str, words: str) -> None:
    inputs = """
        layer { name: "a" type: "Input" top: "scores" input_param { shape { dim: 3 dim: 4 } } }
        layer { name: "b" type: "Input" top: "label" input_param { shape { dim: 3 } } }
    """
    net = Net(parse_text(inputs + layers, NetParameter()), Phase.TRAIN, context=gpu_context())
    net.blobs["label"].data[...] = [1, 9, 3]
    with pytest.raises(CaffeError) as refusal:
        net.forward()
    assert words in str(refusal.value)
    net.blobs["label"].data[...] = [1, 2, 3]
    net.forward()


def test_what_is_only_looked_at_does_not_undo_updates(make_solver: MakeSolver) -> None:
    whole = make_solver(keep_blobs=True)
    whole.step(6)
    watched = make_solver(keep_blobs=True)
    held = []

    def look() -> None:
        held.extend(blob.data for blobs in watched.net.params.values() for blob in blobs)
        held.extend(blob.diff for blobs in watched.net.params.values() for blob in blobs)

    watched.add_callback(look, look)
    watched.step(6)
    assert_near(watched, whole, rel=1e-5)


def test_gradients_that_a_callback_changes_are_what_the_update_takes(
    make_solver: MakeSolver,
) -> None:
    solver = make_solver(keep_blobs=True, more="momentum: 0 weight_decay: 0")
    before = weights(solver)

    def clear() -> None:
        for blobs in solver.net.params.values():
            for blob in blobs:
                blob.diff[...] = 0

    solver.add_callback(lambda: None, clear)
    solver.step(2)
    for name, values in weights(solver).items():
        assert np.array_equal(values, before[name]), name


def test_a_shared_net_sees_what_the_other_learns(make_solver: MakeSolver) -> None:
    solver = make_solver(keep_blobs=True)
    other = Net("net.prototxt", Phase.TEST, context=gpu_context())
    try:
        other.share_with(solver.net)
        seen = other.params["ip"][0].data.copy()
        solver.step(2)
        other.forward()  # what was looked at must not go back over what was learnt
        assert not np.array_equal(seen, solver.net.params["ip"][0].data)
        assert np.array_equal(other.params["ip"][0].data, solver.net.params["ip"][0].data)
    finally:
        other.close()


def test_gradients_that_somebody_holds_are_cleared() -> None:
    text = """
        layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "ip" type: "InnerProduct" bottom: "a" top: "ip"
          inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
        layer { name: "l" type: "Reduction" bottom: "ip" top: "l" loss_weight: 1 }
    """
    net = Net(parse_text(text, NetParameter()), Phase.TRAIN, context=gpu_context())
    net.blobs["a"].data[...] = 1
    gradients = []
    for _ in range(2):
        net.clear_param_diffs()
        net.forward()
        net.backward()
        gradients.append(net.params["ip"][0].diff)
    assert (gradients[1] == 2).all()
