"""The loss of a forward pass, with what layers could not check without waiting for the device.

Whether labels are in range stands on the GPU with them.  To look at once costs a wait in every
layer that has labels; so on a GPU a layer computes on with values that do no harm and leaves a
`Check`, and all of them are looked at when the loss is read: no update is made before that.
On the CPU layers check at once, and there is nothing left to do here.

Elsewhere: which layers leave checks (`layers/labels.py`), how values come over without a wait
(`machine/host_copy.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from digits.caffe.layers.base import Check
from digits.caffe.machine.host_copy import HostCopy


class Verdict:
    """The loss, on its way to the host."""

    def __init__(self, loss: torch.Tensor, checks: Sequence[Check]) -> None:
        self._checks = checks
        if checks:
            ends = [end for check in checks for end in (check.low, check.high)]
            loss = torch.stack([one.detach().to(loss.dtype) for one in (loss, *ends)])
        self._numbers = HostCopy(loss)

    def loss(self) -> float:
        """The loss; waits for it.  Raises LayerError for labels or indices out of range."""
        numbers = self._numbers.tensor()
        if not self._checks:
            return float(numbers)
        loss, *ends = numbers.tolist()
        for check, low, high in zip(self._checks, ends[::2], ends[1::2], strict=True):
            check.settle(low, high)
        return float(loss)
