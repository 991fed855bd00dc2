"""Update rules against the same formulas, written out in NumPy one tensor at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from digits.caffe.errors import SolverError
from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.caffe.solving.updates import RULES, FusedStep, Step, blocks, l2_norm, regularize

PARAM = SolverParameter(momentum=0.9, momentum2=0.99, rms_decay=0.95, delta=1e-3)


def sgd(g: np.ndarray, h: list[np.ndarray], rate: float, t: int) -> np.ndarray:
    h[0] = PARAM.momentum * h[0] + rate * g
    return h[0]


def nesterov(g: np.ndarray, h: list[np.ndarray], rate: float, t: int) -> np.ndarray:
    old = h[0]
    h[0] = PARAM.momentum * h[0] + rate * g
    return (1 + PARAM.momentum) * h[0] - PARAM.momentum * old


def adagrad(g: np.ndarray, h: list[np.ndarray], rate: float, t: int) -> np.ndarray:
    h[0] = h[0] + g * g
    return rate * g / (np.sqrt(h[0]) + PARAM.delta)


def rmsprop(g: np.ndarray, h: list[np.ndarray], rate: float, t: int) -> np.ndarray:
    h[0] = PARAM.rms_decay * h[0] + (1 - PARAM.rms_decay) * g * g
    return rate * g / (np.sqrt(h[0]) + PARAM.delta)


def adadelta(g: np.ndarray, h: list[np.ndarray], rate: float, t: int) -> np.ndarray:
    m, delta = PARAM.momentum, PARAM.delta
    h[0] = m * h[0] + (1 - m) * g * g
    value = g * np.sqrt((h[1] + delta) / (h[0] + delta))
    h[1] = m * h[1] + (1 - m) * value * value
    return rate * value


def adam(g: np.ndarray, h: list[np.ndarray], rate: float, t: int) -> np.ndarray:
    h[0] = PARAM.momentum * h[0] + (1 - PARAM.momentum) * g
    h[1] = PARAM.momentum2 * h[1] + (1 - PARAM.momentum2) * g * g
    correction = np.sqrt(1 - PARAM.momentum2 ** (t + 1)) / (1 - PARAM.momentum ** (t + 1))
    return rate * correction * h[0] / (np.sqrt(h[1]) + PARAM.delta)


REFERENCES: dict[str, Callable[..., np.ndarray]] = {
    "SGD": sgd,
    "Nesterov": nesterov,
    "AdaGrad": adagrad,
    "RMSProp": rmsprop,
    "AdaDelta": adadelta,
    "Adam": adam,
}
SHAPES = [(3, 2, 5, 5), (7,), (40, 11), ()]
RATES = [0.1, 0.2, 0.0, 0.05]


def random_tensors(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tensors = [torch.randn(shape, generator=generator) for shape in SHAPES]
    tensors[0] = tensors[0].contiguous(memory_format=torch.channels_last)
    return tensors


@pytest.mark.parametrize("block_size", [1 << 17, 16])
@pytest.mark.parametrize("name", RULES)
def test_three_updates_follow_the_formula(name: str, block_size: int) -> None:
    rule = RULES[name]
    history = [[torch.zeros_like(g) for g in random_tensors(0)] for _ in range(rule.histories)]
    expected_history = [[np.zeros(s) for _ in range(rule.histories)] for s in SHAPES]
    for iteration in range(3):
        grads = random_tensors(iteration)
        expected = [
            REFERENCES[name](g.double().numpy(), h, rate, iteration)
            for g, h, rate in zip(grads, expected_history, RATES, strict=True)
        ]
        for block in blocks(grads, grads, history, block_size):
            rule.rule(
                block.grads, block.history, Step([RATES[i] for i in block.of], iteration, PARAM)
            )
        for grad, update in zip(grads, expected, strict=True):
            np.testing.assert_allclose(grad.numpy(), update, rtol=2e-5, atol=1e-6)
    for index, shape_history in enumerate(expected_history):
        for kind, values in enumerate(shape_history):
            np.testing.assert_allclose(history[kind][index].numpy(), values, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.fused])
def test_three_fused_updates_follow_the_formula(name: str, decay: float) -> None:
    rule = RULES[name]
    assert rule.fused is not None
    params = random_tensors(9)
    expected = [param.double().numpy().copy() for param in params]
    history = [[torch.zeros_like(p) for p in params] for _ in range(rule.histories)]
    expected_history = [[np.zeros(s) for _ in range(rule.histories)] for s in SHAPES]
    for iteration in range(3):
        grads = random_tensors(iteration)
        for index, h in enumerate(expected_history):
            g = grads[index].double().numpy() + decay * expected[index]
            expected[index] = expected[index] - REFERENCES[name](g, h, 0.1, iteration)
        rule.fused(params, grads, history, FusedStep(0.1, decay, iteration, PARAM))
    for param, values in zip(params, expected, strict=True):
        np.testing.assert_allclose(param.numpy(), values, rtol=2e-5, atol=2e-6)
    for index, shape_history in enumerate(expected_history):
        for kind, values in enumerate(shape_history):
            np.testing.assert_allclose(history[kind][index].numpy(), values, rtol=2e-5, atol=1e-6)


def test_blocks_hold_every_element_once_and_views_of_it() -> None:
    params, grads = random_tensors(1), random_tensors(2)
    seen = 0
    for block in blocks(params, grads, [], 16):
        assert len(block.of) == len(block.params) == len(block.grads)
        seen += sum(piece.numel() for piece in block.params)
        for piece in block.grads:
            piece.zero_()
    assert seen == sum(p.numel() for p in params)
    assert l2_norm(grads) == 0


def test_a_block_of_many_small_tensors_is_closed_when_it_is_full() -> None:
    params = [torch.zeros(10) for _ in range(10)]
    assert [len(block.of) for block in blocks(params, params, [], 25)] == [3, 3, 3, 1]


def test_tensors_in_different_orders_of_memory_stay_whole() -> None:
    param = torch.randn(4, 3, 5, 5)
    grad = torch.randn(4, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    (block,) = blocks([param], [grad], [], 16)
    assert block.params[0] is param
    assert block.grads[0] is grad


def test_l2_adds_the_weights_and_l1_their_signs() -> None:
    params = [torch.tensor([2.0, -3.0, 0.0]), torch.tensor([1.0])]
    for kind, expected in (("L2", [0.2, -0.3, 0.0]), ("L1", [0.1, -0.1, 0.0])):
        grads = [torch.zeros(3), torch.zeros(1)]
        regularize(params, grads, [0.1, 0.0], kind)
        torch.testing.assert_close(grads[0], torch.tensor(expected))
        assert grads[1].item() == 0


def test_an_unknown_regularization_is_an_error_only_where_weights_decay() -> None:
    params, grads = [torch.ones(1)], [torch.zeros(1)]
    regularize(params, grads, [0.0], "L3")
    with pytest.raises(SolverError, match="Unknown regularization type: L3"):
        regularize(params, grads, [0.1], "L3")


def test_the_norm_is_that_of_all_gradients_together() -> None:
    assert l2_norm([torch.tensor([3.0]), torch.tensor([[4.0]])]) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("AdaGrad", {"momentum": 0.9}, "momentum cannot be used with AdaGrad"),
        ("RMSProp", {"momentum": 0.9}, "momentum cannot be used with RMSProp"),
        ("RMSProp", {"rms_decay": 1.0}, "rms_decay should lie between 0 and 1"),
    ],
)
def test_settings_that_a_rule_refuses(kind: str, fields: dict[str, float], words: str) -> None:
    problem = RULES[kind].check(SolverParameter(type=kind, **fields))
    assert problem is not None
    assert words in problem
