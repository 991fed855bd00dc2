"""The solver: the form's epochs and percent as iterations, and the curve that is drawn."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.caffe.solving.lr_policy import learning_rate
from digits.errors import FormError
from digits.model.training.solver import (
    LR_POLICIES,
    LearningRate,
    SolverOptions,
    TrainingSize,
    balanced_weights,
    display_interval,
    make_solver,
    preview,
)
from digits.model.training.solver_read import options_of

# 10 iterations in an epoch.
SIZE = TrainingSize(1000, 100, 250, 100)


def solver(size: TrainingSize = SIZE, use_gpu: bool = False, **options: object) -> SolverParameter:
    return make_solver(SolverOptions(**options), size, use_gpu=use_gpu)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("images", "batch_size", "iterations"), [(1000, 100, 10), (1001, 100, 11), (5, 64, 1)]
)
def test_an_epoch_sees_every_image(images: int, batch_size: int, iterations: int) -> None:
    assert solver(TrainingSize(images, batch_size), train_epochs=3).max_iter == 3 * iterations


@pytest.mark.parametrize(
    ("epochs", "iterations"),
    [(1, 10), (0.5, 5), (0.01, 1), (2.5, 25), (0.29, 3), (1e12, 2**31 - 1)],
)
def test_intervals_are_at_least_one_iteration(epochs: float, iterations: int) -> None:
    made = solver(snapshot_interval=epochs, val_interval=epochs)
    assert (made.snapshot, made.test_interval) == (iterations, iterations)


def test_interval_zero_stands_for_never() -> None:
    made = solver(snapshot_interval=0.0, val_interval=0.0)
    assert not made.HasField("snapshot")
    assert not made.HasField("test_interval")
    assert not made.test_iter


def test_validation_sees_every_image() -> None:
    assert list(solver().test_iter) == [3]


def test_without_validation_set_there_is_no_test() -> None:
    made = solver(TrainingSize(1000, 100))
    assert not made.test_iter
    assert not made.HasField("test_interval")


@pytest.mark.parametrize(
    ("images", "batch_size", "expected"),
    [
        (1000, 100, 1),  # 10 iterations an epoch: 8 displays are more than one each
        (6400, 100, 8),  # 64 / 8
        (1_000_000, 100, 50),  # 5,000 images come before an eighth of an epoch
        (10, 100, 1),
    ],
)
def test_display_is_eight_times_an_epoch_or_each_5000_images(
    images: int, batch_size: int, expected: int
) -> None:
    assert display_interval(TrainingSize(images, batch_size)) == expected


@pytest.mark.parametrize(
    ("solver_type", "name", "momentum"),
    [
        ("SGD", "SGD", True),
        ("NESTEROV", "Nesterov", True),
        ("ADAM", "Adam", True),
        ("ADAGRAD", "AdaGrad", False),
        ("ADADELTA", "AdaDelta", False),
        ("RMSPROP", "RMSProp", False),
    ],
)
def test_momentum_is_for_the_solvers_that_take_it(
    solver_type: str, name: str, momentum: bool
) -> None:
    made = solver(solver_type=solver_type)
    assert made.type == name
    assert made.HasField("momentum") is momentum
    assert made.weight_decay == pytest.approx(0.0005)


def test_seed_and_mode_are_written_when_given() -> None:
    assert not solver().HasField("random_seed")
    assert solver().solver_mode == SolverParameter.CPU
    made = solver(random_seed=0, use_gpu=True)
    assert made.HasField("random_seed")
    assert made.solver_mode == SolverParameter.GPU


def test_more_iterations_than_caffe_counts_are_refused() -> None:
    with pytest.raises(FormError, match="1000000 epochs of 10000 iterations") as caught:
        solver(TrainingSize(10_000, 1), train_epochs=1_000_000)
    assert list(caught.value.errors) == ["train_epochs"]


# The original's formulas, worked out over 100 iterations, one a percent.
FORMULAS = {
    "fixed": lambda t: 0.01,
    "step": lambda t: 0.01 * 0.1 ** (t // 33),
    "multistep": lambda t: 0.01 * 0.5 ** ((t >= 50) + (t >= 85)),
    "exp": lambda t: 0.01 * 0.95**t,
    "inv": lambda t: 0.01 * (1 + 0.1 * t) ** -0.5,
    "poly": lambda t: 0.01 * (1 - t / 100) ** 3,
    "cosine": lambda t: 0.01 * (1 + math.cos(math.pi * t / 100)) / 2,
    "sigmoid": lambda t: 0.01 / (1 + math.exp(0.1 * (t - 50))),
}


def test_every_policy_has_its_formula_here() -> None:
    assert set(FORMULAS) == set(LR_POLICIES)


@pytest.mark.parametrize("policy", LR_POLICIES)
def test_preview_is_the_policys_formula_over_percent(policy: str) -> None:
    rates = preview(LearningRate(0.01, policy))
    expected = [FORMULAS[policy](percent) for percent in range(101)]
    assert rates == pytest.approx(expected, rel=1e-4, abs=1e-12)  # gamma is a float32


@pytest.mark.parametrize("policy", LR_POLICIES)
@pytest.mark.parametrize("epochs", [10, 73])  # 100 iterations, and 730
def test_the_curve_that_is_drawn_is_the_one_that_is_trained(policy: str, epochs: int) -> None:
    made = solver(lr_policy=policy, train_epochs=epochs)
    drawn = preview(LearningRate(0.01, policy))
    for percent in range(101):
        iteration = math.ceil(percent * made.max_iter / 100)
        exact = percent * made.max_iter % 100 == 0
        if exact and not (policy == "step" and percent > 33):  # steps are whole iterations
            assert learning_rate(made, iteration) == pytest.approx(drawn[percent], rel=2e-3)


@pytest.mark.parametrize("policy", LR_POLICIES)
@pytest.mark.parametrize("warmup", [0.5, 5])
def test_a_warmup_is_drawn_as_it_is_trained(policy: str, warmup: float) -> None:
    size = TrainingSize(100_000, 10)  # 10,000 iterations in an epoch
    made = solver(size, lr_policy=policy, train_epochs=10, lr_warmup=warmup)
    assert made.lr_warmup == 10_000 * warmup
    drawn = preview(LearningRate(0.01, policy), warmup / 10)
    assert drawn[0] == 0
    for percent in range(101):
        trained = learning_rate(made, percent * made.max_iter // 100)
        assert trained == pytest.approx(drawn[percent], rel=2e-3, abs=1e-5)


@pytest.mark.parametrize(("epochs", "iterations"), [(0.01, 1), (0.3, 3), (1, 10), (2.5, 25)])
def test_a_warmup_is_at_least_one_iteration(epochs: float, iterations: int) -> None:
    assert solver(lr_warmup=epochs, train_epochs=3).lr_warmup == iterations


def test_without_a_warmup_any_caffe_reads_the_solver() -> None:
    assert not solver().HasField("lr_warmup")


def test_steps_fall_on_the_first_iteration_at_their_percentage() -> None:
    made = solver(lr_policy="multistep", train_epochs=1)
    assert list(made.stepvalue) == [5, 9]
    assert solver(lr_policy="step", train_epochs=1).stepsize == 4
    assert solver(lr_policy="step", lr_step_size=0.001, train_epochs=1).stepsize == 1


def test_sigmoid_falls() -> None:
    made = solver(lr_policy="sigmoid")
    assert made.gamma < 0
    rates = preview(LearningRate(0.01, "sigmoid"))
    assert rates == sorted(rates, reverse=True)


def test_gradients_are_clipped_where_that_is_asked_for() -> None:
    assert solver(clip_gradients=2.5).clip_gradients == 2.5
    assert not solver().HasField("clip_gradients")


def test_what_changes_the_loss_is_written_where_that_is_asked_for() -> None:
    made = make_solver(
        SolverOptions(label_smoothing=0.25), SIZE, use_gpu=False, class_weights=[0.5, 2]
    )
    assert (made.label_smoothing, list(made.class_weight)) == (0.25, [0.5, 2])
    assert options_of(made, 10).class_weights == "balanced"
    plain = solver()
    assert not plain.HasField("label_smoothing")
    assert not plain.class_weight


@pytest.mark.parametrize(
    ("counts", "weights"),
    [
        ([10, 30, 20], [2, 2 / 3, 1]),
        ([1, 0, 3], [2, 1, 2 / 3]),  # of two categories, and one that nobody has a picture of
        ([7, 7, 7], []),
        ([7, 0, 7], []),
        ([0, 0], []),
        ([5], []),
    ],
)
def test_weights_balance_the_categories(counts: list[int], weights: list[float]) -> None:
    found = balanced_weights(counts)
    assert found == pytest.approx(weights)
    if found:
        pairs = [(n, n * weight) for n, weight in zip(counts, found, strict=True)]
        assert sum(all_of for _, all_of in pairs) == pytest.approx(sum(counts))
        assert len({round(all_of, 9) for n, all_of in pairs if n}) == 1


def test_batches_that_are_added_up_make_fewer_iterations() -> None:
    made = solver(replace(SIZE, batch_accumulation=4), train_epochs=2)
    assert (made.iter_size, made.max_iter) == (4, 2 * 3)
    assert not solver().HasField("iter_size")


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ({}, {"momentum": 0.9, "weight_decay": 0.0005}),
        ({"momentum": 0.5, "weight_decay": 0.0}, {"momentum": 0.5, "weight_decay": 0.0}),
        ({"solver_type": "NESTEROV", "momentum": 0.0}, {"momentum": 0.0, "weight_decay": 0.0005}),
        # AdaGrad has no momentum, and Caffe's own decay stands in no file.
        ({"solver_type": "ADAGRAD", "momentum": 0.5}, {"weight_decay": 0.0005}),
        ({"solver_type": "RMSPROP"}, {"weight_decay": 0.0005}),
        ({"solver_type": "RMSPROP", "rms_decay": 0.9}, {"rms_decay": 0.9, "weight_decay": 0.0005}),
        (
            {"solver_type": "ADAM", "momentum2": 0.99},
            {"momentum": 0.9, "momentum2": 0.99, "weight_decay": 0.0005},
        ),
    ],
)
def test_a_solver_is_told_what_it_reads(
    options: dict[str, object], written: dict[str, float]
) -> None:
    made = solver(**options)
    names = ("momentum", "momentum2", "rms_decay", "weight_decay")
    found = {name: getattr(made, name) for name in names if made.HasField(name)}  # type: ignore[arg-type]
    assert found == pytest.approx(written)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_accumulation": 3},
        {"momentum": 0.25, "weight_decay": 0.125},
        {"clip_gradients": 1.5},
        {"lr_policy": "cosine"},
        {"lr_warmup": 2.5},
        {"label_smoothing": 0.1},
        {"solver_type": "ADAM", "momentum2": 0.5},
        {"solver_type": "RMSPROP", "rms_decay": 0.75},
        {"solver_type": "ADAGRAD"},
    ],
)
def test_what_a_solver_was_told_is_read_back(options: dict[str, object]) -> None:
    asked = SolverOptions(**options)  # type: ignore[arg-type]
    size = replace(SIZE, batch_accumulation=asked.batch_accumulation or 1)
    found = options_of(make_solver(asked, size, use_gpu=False), size.epoch_iterations)
    assert {name: getattr(found, name) for name in options} == options
    assert replace(found, random_seed=None, lr_step_size=asked.lr_step_size) == asked
