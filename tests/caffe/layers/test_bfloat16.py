"""Every layer runs under autocast on bfloat16 values, and stays near float32."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from digits.caffe.layers.base import Phase
from tests.caffe.layers.harness import build_layer
from tests.caffe.layers.test_gradients import CASES, Bottoms, _name

# Differences of close numbers, magnified: (x - mean) / std of rounded x.
COARSE = 0.1


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_layer_runs_on_bfloat16(case: tuple[str, Bottoms, int]) -> None:
    text, bottoms, tops = case
    generator = torch.Generator().manual_seed(3)
    values = [
        (b if isinstance(b, Tensor) else torch.randn(b, generator=generator)).bfloat16().float()
        for b in bottoms
    ]
    shapes = [tuple(value.shape) for value in values]
    results = []
    for precision in (torch.float32, torch.bfloat16):
        layer = build_layer(text, *shapes, tops=tops, phase=Phase.TRAIN)
        for index in (1, 2) if "BatchNorm" in text else ():
            layer.params[index].abs_()
        given = [value.clone().to(precision) for value in values]
        leaves = [v for index, v in enumerate(given) if layer.accepts_gradient(index)]
        for leaf in [*leaves, *([] if "BatchNorm" in text else layer.params)]:
            leaf.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision is torch.bfloat16):
            made = [top for top in layer.forward(given) if top is not None]
        sum(top.float().square().sum() for top in made if top.requires_grad).backward()
        results.append([*made, *(leaf.grad for leaf in leaves if leaf.grad is not None)])
    for exact, rounded in zip(*results, strict=True):
        error = (exact - rounded.float()).abs().max()
        assert error <= COARSE * exact.abs().max() + COARSE


@pytest.mark.parametrize("kind", ["SoftmaxWithLoss", "HingeLoss", "MultinomialLogisticLoss"])
def test_losses_are_computed_in_float32(kind: str) -> None:
    layer = build_layer(f'type: "{kind}"', (4, 5), (4,))
    scores = torch.rand(4, 5).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        loss = layer.forward([scores, torch.zeros(4)])[0]
    assert loss is not None
    assert loss.dtype == torch.float32
