"""Several processes that train one net together, each on its share of the data.

Every process has the whole net, and starts from the weights of rank 0.  After the backward pass the
gradients are summed over the processes and divided by their number, as Caffe does, so that all of
them make the same update; the batch size of the prototxt is that of each.  Rank 0 tests, logs,
saves, and says when to stop.

Source: parallel.cpp (NCCL).  By torch.distributed: NCCL between GPUs, gloo between CPUs.
Elsewhere: who starts the processes (`commands/team.py`), who reads which record (data layers).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

# Documented there, though its names are not exported for type checkers.
from torch.distributed import TCPStore as TCPStore  # type: ignore[attr-defined]

from digits.caffe.errors import SolverError
from digits.caffe.solving.signals import Action, Terminated

# A process waits for another one as long as a test or a snapshot of rank 0 takes; whoever started
# them ends all of them when one dies.
_PATIENCE = timedelta(days=7)
_ACTIONS = list(Action)


class Group:
    """A process that trains by itself; `Team` is the same with others."""

    size = 1

    def __init__(self, rank: int = 0) -> None:
        self.rank = rank

    @property
    def is_root(self) -> bool:
        """Whether this process tests, logs and saves."""
        return self.rank == 0

    def share_params(self, params: list[torch.Tensor]) -> None:
        """Give all processes the parameters of rank 0."""

    def average(self, grads: list[torch.Tensor]) -> None:
        """Average the gradients over all processes, in place."""

    def agree(self, action: Action) -> Action:
        """What rank 0 was asked to do, in every process."""
        return action

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, by rank; empty in others than rank 0."""
        return [value]

    def close(self) -> None:
        """Leave the group."""


def meeting_place(port: int | None = None) -> TCPStore:
    """Where the processes of a team find each other: a new one, or one that has this port."""
    return TCPStore(
        "127.0.0.1", port or 0, is_master=port is None, wait_for_workers=False, timeout=_PATIENCE
    )


class Team(Group):
    """One of several processes on one machine, which all know the same meeting place."""

    def __init__(self, rank: int, size: int, store: TCPStore, device: torch.device) -> None:
        super().__init__(rank)
        self.size = size
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_PATIENCE)
        # Words between processes do not wait for what the GPUs are doing.
        self._words = dist.new_group(backend="gloo", timeout=_PATIENCE)

    @torch.no_grad()
    def share_params(self, params: list[torch.Tensor]) -> None:
        """Give all processes the parameters of rank 0."""
        with _others_needed():
            for param in params:
                dist.broadcast(_in_memory_order(param.detach()), src=0)

    @torch.no_grad()
    def average(self, grads: list[torch.Tensor]) -> None:
        """Average the gradients over all processes, in place."""
        with _others_needed():
            sums = [dist.all_reduce(_in_memory_order(grad), async_op=True) for grad in grads]
            for pending in sums:
                pending.wait()
        torch._foreach_div_(grads, self.size)

    def agree(self, action: Action) -> Action:
        """What rank 0 was asked to do, in every process."""
        number = torch.tensor([_ACTIONS.index(action)])
        with _others_needed():
            dist.broadcast(number, src=0, group=self._words)
        return _ACTIONS[int(number)]

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, by rank; empty in others than rank 0."""
        values: list[Any] | None = [None] * self.size if self.is_root else None
        with _others_needed():
            dist.gather_object(value, values, dst=0, group=self._words)
        return values or []

    def close(self) -> None:
        """Leave the group."""
        dist.destroy_process_group()


@contextmanager
def joined(rank: int, size: int, store: TCPStore | None, device: torch.device) -> Iterator[Group]:
    """Be a member of the team that meets at `store`, or by oneself without one."""
    group = Team(rank, size, store, device) if store else Group()
    try:
        yield group
    except Terminated:
        # Taking leave could wait for others, which wait for this one.
        raise
    except BaseException:
        group.close()
        raise
    group.close()


@contextmanager
def _others_needed() -> Iterator[None]:
    """Say what it means when a message between processes fails."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise SolverError(
            f"another process of the training is gone; see its messages ({reason})"
        ) from error


def _in_memory_order(tensor: torch.Tensor) -> torch.Tensor:
    """The same memory as a contiguous tensor, which is what can be sent."""
    if tensor.is_contiguous():
        return tensor
    return tensor.permute(0, 2, 3, 1)
