"""Which device nets are built on, and pycaffe's functions that say so.

As in Caffe the mode (CPU or GPU) and the GPU's number belong to the thread that sets them; new
threads start in CPU mode.  Float32 stays float32: TF32 is switched off when a GPU is first used.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from digits.caffe.errors import CaffeError
from digits.caffe.machine.randomness import default_randomness


class _Choice(threading.local):
    gpu = False
    index = 0
    solver_count = 1
    solver_rank = 0
    multiprocess = False


_choice = _Choice()


def set_mode_cpu() -> None:
    """Build nets on the CPU."""
    _choice.gpu = False


def set_mode_gpu() -> None:
    """Build nets on the GPU that `set_device` names, the first by default."""
    _choice.gpu = True


def set_device(index: int) -> None:
    """Choose a GPU by its number; CaffeError if there is none of that number.

    Like Caffe's this does not switch to GPU mode.
    """
    check_gpu(index)
    _choice.index = index


def current_device() -> torch.device:
    """The device that nets of this thread are built on; CaffeError in GPU mode without a GPU."""
    if not _choice.gpu:
        return torch.device("cpu")
    check_gpu(_choice.index)
    use_exact_float32()
    return torch.device("cuda", _choice.index)


def check_gpu(index: int) -> None:
    """Raise CaffeError unless this machine has a GPU of that number."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise CaffeError("GPU mode was asked for, but PyTorch sees no GPU here. Use the CPU mode.")
    if not 0 <= index < count:
        raise CaffeError(f"there is no GPU {index}: this machine has {count}, counted from 0.")


@contextmanager
def memory_errors(device: torch.device) -> Iterator[None]:
    """Say in words of ours when a GPU has no memory left: CaffeError."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise CaffeError(out_of_memory(device)) from error


def out_of_memory(device: torch.device) -> str:
    """What to say when there is no memory left on a GPU: who holds how much, and what to do."""
    if device.type != "cuda":
        return "out of memory. Use a smaller batch_size."
    free, total = (number / 2**30 for number in torch.cuda.mem_get_info(device))
    mine = torch.cuda.memory_reserved(device) / 2**30
    return (
        f"out of memory on GPU {device.index or 0} ({torch.cuda.get_device_name(device)}): of its "
        f"{total:.1f} GiB this process holds {mine:.1f}, and {free:.1f} are free. Use a smaller "
        "batch_size, or end what else runs on this GPU."
    )


def use_exact_float32() -> None:
    """Switch TF32 off for convolutions (PyTorch has it on) and matrix products."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def set_random_seed(seed: int) -> None:
    """Start the random numbers of fillers, dropout and data layers anew from `seed`."""
    default_randomness().seed(seed)


def solver_count() -> int:
    """The number of solvers that train together."""
    return _choice.solver_count


def set_solver_count(count: int) -> None:
    """Say how many solvers train together."""
    _choice.solver_count = count


def solver_rank() -> int:
    """The number of this thread's solver among them."""
    return _choice.solver_rank


def set_solver_rank(rank: int) -> None:
    """Say which of them this thread's solver is; 0 is the root, which logs and saves."""
    _choice.solver_rank = rank


def set_multiprocess(multiprocess: bool) -> None:
    """Say whether each solver has a process of its own."""
    _choice.multiprocess = multiprocess


def multiprocess() -> bool:
    """Whether each solver has a process of its own."""
    return _choice.multiprocess


def has_nccl() -> bool:
    """Whether GPUs can train together."""
    return bool(torch.distributed.is_available() and torch.distributed.is_nccl_available())


def synchronize() -> None:
    """Wait until the GPU of this thread has done what it was asked for; nothing in CPU mode."""
    if _choice.gpu:
        torch.cuda.synchronize(_choice.index)
