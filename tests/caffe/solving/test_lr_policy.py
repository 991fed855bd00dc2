"""Learning-rate policies, against values worked out by hand and from Caffe's logs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from digits.caffe.errors import SolverError
from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.caffe.solving.lr_policy import POLICIES, current_step, learning_rate


def solver(policy: str, **fields: object) -> SolverParameter:
    return SolverParameter(lr_policy=policy, base_lr=0.1, **fields)


@pytest.mark.parametrize(
    ("param", "iteration", "rate"),
    [
        (solver("fixed"), 12345, 0.1),
        (solver("step", gamma=0.1, stepsize=33), 32, 0.1),
        (solver("step", gamma=0.1, stepsize=33), 33, 0.01),
        (solver("step", gamma=0.1, stepsize=33), 66, 0.001),
        (solver("exp", gamma=0.5), 0, 0.1),
        (solver("exp", gamma=0.5), 3, 0.0125),
        (solver("inv", gamma=1.0, power=2.0), 1, 0.025),
        (solver("multistep", gamma=0.5, stepvalue=[5, 11]), 4, 0.1),
        (solver("multistep", gamma=0.5, stepvalue=[5, 11]), 5, 0.05),
        (solver("multistep", gamma=0.5, stepvalue=[5, 11]), 100, 0.025),
        (solver("poly", power=2.0, max_iter=10), 5, 0.025),
        (solver("poly", power=2.0, max_iter=10), 10, 0.0),
        (solver("cosine", max_iter=10), 0, 0.1),
        (solver("cosine", max_iter=10), 5, 0.05),
        (solver("cosine", max_iter=10), 10, 0.0),
        (solver("cosine", max_iter=10), 12, 0.0),
        (solver("sigmoid", gamma=1.0, stepsize=9), 9, 0.05),
        (solver("sigmoid", gamma=-1.0, stepsize=9), 1000, 0.0),
        (solver("sigmoid", gamma=-1.0, stepsize=9), 0, 0.0999877),
    ],
)
def test_rate_at_an_iteration(param: SolverParameter, iteration: int, rate: float) -> None:
    assert learning_rate(param, iteration) == pytest.approx(rate, rel=1e-5, abs=1e-12)


def test_cosine_is_pytorchs() -> None:
    import torch  # noqa: PLC0415

    weights = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weights], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50)
    for iteration in range(50):
        expected = schedule.get_last_lr()[0]
        found = learning_rate(solver("cosine", max_iter=50), iteration)
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)  # a float32
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_warmup_is_pytorchs_on_top_of_every_policy(policy: str) -> None:
    import torch  # noqa: PLC0415

    fields = {"gamma": 0.5, "power": 0.5, "stepsize": 3, "stepvalue": [4], "max_iter": 20}
    weights = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weights], lr=1)
    linear = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / 8, total_iters=7)
    for iteration in range(20):
        plain = learning_rate(solver(policy, **fields), iteration)
        found = learning_rate(solver(policy, **fields, lr_warmup=8), iteration)
        assert found == pytest.approx(plain * linear.get_last_lr()[0], rel=1e-6, abs=1e-9)
        if iteration >= 7:
            assert found == plain
        optimizer.step()
        linear.step()


def test_multistep_goes_one_step_an_iteration_when_values_coincide() -> None:
    param = solver("multistep", gamma=0.5, stepvalue=[5, 5])
    first = current_step(param, 5, 0)
    assert (first, current_step(param, 6, first)) == (1, 2)
    assert learning_rate(param, 5, first) == pytest.approx(0.05)


@pytest.mark.parametrize(("iteration", "expected"), [(32, 0), (33, 1), (65, 1), (66, 2)])
def test_the_step_of_a_solver_goes_by_its_iteration(iteration: int, expected: int) -> None:
    assert current_step(solver("step", stepsize=33), iteration, 0) == expected


def test_other_policies_keep_the_step_of_a_restored_state() -> None:
    assert current_step(solver("fixed"), 100, 3) == 3


@pytest.mark.parametrize(
    ("param", "words"),
    [
        (solver("warm"), "Unknown learning rate policy: warm"),
        (solver("stepp"), "Did you mean 'step'"),
        (solver("step", gamma=0.1), "stepsize above 0, received 0"),
        (solver("step", gamma=-0.1, stepsize=3), "gamma of 0 or more, received -0.1"),
        (solver("exp", gamma=-1), "gamma of 0 or more"),
        (solver("inv", gamma=-1), "gamma of 0 or more"),
        (solver("multistep", gamma=-1), "gamma of 0 or more"),
        (solver("sigmoid", gamma=1), "stepsize above 0"),
        (solver("poly", power=1), "max_iter above 0"),
    ],
)
def test_what_cannot_be_used_is_said(param: SolverParameter, words: str) -> None:
    with pytest.raises(SolverError, match=words):
        learning_rate(param, 0)


@pytest.mark.parametrize("policy", POLICIES)
def test_extreme_settings_give_numbers_and_no_exceptions(policy: str) -> None:
    param = solver(policy, gamma=3e38, power=-3e38, stepsize=1, stepvalue=[0], max_iter=5)
    for iteration in (0, 1, 5, 6, 2**31 - 1):
        learning_rate(param, iteration)


def test_importing_the_policies_does_not_import_torch() -> None:
    code = "import sys, digits.caffe.solving.lr_policy; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
