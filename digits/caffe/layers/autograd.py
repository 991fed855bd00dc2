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
