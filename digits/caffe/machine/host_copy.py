"""Numbers of a device that the host wants to know, fetched while the device goes on.

To read a number of a GPU, the host waits for everything that it handed over before; meanwhile it
hands over nothing, and the GPU runs out of work.  A `HostCopy` is asked for at once and read later:
reading waits for what the numbers are made of, and for nothing that was handed over since.
On the CPU it is a copy like any other.
"""

from __future__ import annotations

import torch


class HostCopy:
    """The values of a tensor as they were when this was made."""

    def __init__(self, tensor: torch.Tensor) -> None:
        # Only pinned memory is written to while the host goes on.
        on_gpu = tensor.device.type == "cuda"
        self._values = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=on_gpu)
        self._values.copy_(tensor.detach(), non_blocking=on_gpu)
        self._arrived: torch.cuda.Event | None = None
        if on_gpu:
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record(torch.cuda.current_stream(tensor.device))

    def tensor(self) -> torch.Tensor:
        """The values in the host's memory; waits until they are there."""
        if self._arrived is not None:
            self._arrived.synchronize()
            self._arrived = None
        return self._values
