"""What a worker may take: memory and cores."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from digits.caffe.errors import LayerError
from digits.inference.work.limits import FreeCores, MemoryExhausted, memory_errors
from tests.conftest import wait_until

LIMITED = """
import mmap, sys, tempfile
import numpy as np
from digits.inference.work.limits import limit_memory
limit_memory(100)
np.ones(10 << 20, np.uint8)
# A file that is mapped for reading costs address space alone.
with tempfile.TemporaryFile() as file:
    file.truncate(4 << 30)
    mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
try:
    np.ones(1 << 30, np.uint8)
except MemoryError:
    sys.exit(7)
"""


def test_memory_beyond_the_limit_is_refused_but_mapped_files_are_not() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, check=False)
    assert done.returncode == 7, done.stderr


def fail_in_python() -> None:
    raise MemoryError


def fail_in_numpy() -> None:
    np.empty(1 << 60, np.uint8)


def fail_in_torch() -> None:
    torch.empty(1 << 50)


def fail_in_a_layer() -> None:
    try:
        fail_in_torch()
    except RuntimeError as error:
        raise LayerError("ip", "InnerProduct", "failed") from error


@pytest.mark.parametrize("fail", [fail_in_python, fail_in_numpy, fail_in_torch, fail_in_a_layer])
def test_failed_allocations_are_told_from_other_errors(fail: object) -> None:
    with pytest.raises(MemoryExhausted, match="more than the 1,234 MB"), memory_errors(1234):
        fail()  # type: ignore[operator]


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="something else"), memory_errors(1):
        raise RuntimeError("something else")


def test_cores_that_others_use_are_left_to_them() -> None:
    cores = FreeCores()
    assert 1 <= cores.count() <= cores.total
    spinning = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores.total)
    ]
    try:
        wait_until(lambda: cores.count() == 1)
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def test_cores_that_decoding_uses_are_left_to_it() -> None:
    cores = FreeCores()

    def leaves_one() -> bool:
        cores.lend(1000.0)
        return cores.count() == 1

    wait_until(leaves_one)
