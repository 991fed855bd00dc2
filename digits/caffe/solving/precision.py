"""How exactly convolutions and matrix products are computed; weights are float32 always.

fp32: all in float32 (Caffe's).  tf32: on GPUs, products of rounded factors.  bf16: by PyTorch's
autocast, in bfloat16 where that is safe, losses in float32.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum

import torch

from digits.caffe.errors import SolverError


class Precision(StrEnum):
    """What `--precision` may be."""

    FP32 = "fp32"
    TF32 = "tf32"
    BF16 = "bf16"

    def settle(self, device: torch.device) -> None:
        """Set what PyTorch keeps for the whole process; SolverError if the device cannot do it."""
        if self is Precision.TF32 and device.type != "cuda":
            raise SolverError("--precision=tf32 needs a GPU; use fp32 or bf16 on the CPU")
        if device.type == "cuda":
            torch.backends.cudnn.allow_tf32 = self is Precision.TF32
            torch.backends.cuda.matmul.allow_tf32 = self is Precision.TF32

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """What to run forward passes in."""
        if self is Precision.BF16:
            return torch.autocast(device.type, torch.bfloat16)
        return nullcontext()


def precision_named(name: str) -> Precision:
    """The precision of that name; SolverError for an unknown one."""
    try:
        return Precision(name)
    except ValueError as error:
        raise SolverError(
            f"unknown precision {name!r}; known are {', '.join(Precision)}"
        ) from error
