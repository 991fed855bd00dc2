"""Small things around PyTorch's autograd and autocast."""

from typing import Any

import torch
from torch import Tensor


def apply_function(function: type[torch.autograd.Function], *arguments: Any) -> Any:
    """The outputs of the function, with its gradient recorded."""
    return function.apply(*arguments)  # type: ignore[no-untyped-call]


def at_least_float32(blob: Tensor) -> Tensor:
    """The blob, in float32 if it is of less: where autocast's bfloat16 is too coarse."""
    return blob.float() if blob.dtype in (torch.bfloat16, torch.float16) else blob


def evaluated_at(value: Tensor, bottom: Tensor) -> Tensor:
    """The value, with the gradient of `bottom`: what is computed from it is computed there."""
    result: Tensor = apply_function(_EvaluatedAt, value, bottom)
    return result


class _EvaluatedAt(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, bottom: Tensor) -> Tensor:
        return value.detach().clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        return None, grads[0]
