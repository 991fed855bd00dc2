"""Which devices a command runs on: what `--gpu` means.  Source: get_gpus() in caffe.cpp."""

from __future__ import annotations

import logging

import torch

from digits.caffe.data.prefetch import cores
from digits.caffe.errors import CaffeError
from digits.caffe.machine.device import check_gpu, use_exact_float32
from digits.caffe.machine.log import at

log = logging.getLogger(__name__)


def gpu_numbers(flag: str) -> list[int]:
    """The GPUs of `--gpu`: none, "all", or numbers separated by commas.

    Raises CaffeError for anything else, for a GPU that is named twice, and for "all" where there
    is none.
    """
    if flag == "all":
        check_gpu(0)
        return list(range(torch.cuda.device_count()))
    try:
        numbers = [int(word) for word in flag.split(",")] if flag else []
    except ValueError as error:
        raise CaffeError(
            f"--gpu must be numbers separated by commas, or all; received {flag!r}"
        ) from error
    if len(set(numbers)) < len(numbers):
        raise CaffeError(
            f"--gpu names a GPU twice: {flag}. Each takes one process; a larger batch_size uses "
            "more of it"
        )
    return numbers


def one_device(flag: str, line: int) -> torch.device:
    """The device of `--gpu` for a command that uses one: the first GPU named, or the CPU.

    `line` is Caffe's that says so.  Raises CaffeError where there is no such GPU.
    """
    use_the_cores_given()
    numbers = gpu_numbers(flag)
    if not numbers:
        log.info("Use CPU.", extra=at(f"caffe.cpp:{line}"))
        return torch.device("cpu")
    log.info("Use GPU with device ID %d", numbers[0], extra=at(f"caffe.cpp:{line - 9}"))
    return gpu(numbers[0])


def gpu(index: int) -> torch.device:
    """A GPU, made the current one; CaffeError if there is none of that number."""
    check_gpu(index)
    use_exact_float32()
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def use_the_cores_given(processes: int = 1) -> None:
    """No more threads than cores, which so many processes share; fewer if the user says so."""
    share = max(1, cores() // processes)
    if torch.get_num_threads() > share:
        torch.set_num_threads(share)
