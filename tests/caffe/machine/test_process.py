"""Freed memory stays in the process, so that a pass does not touch fresh pages."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Page faults of passes that make blobs of several sizes and free them; the first is not counted.
PROGRAM = """
import resource, sys
import torch
from digits.caffe.machine.process import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def run():
    first = [torch.ones(size << 18) for size in (64, 24, 40)]
    second = [blob.relu() for blob in first]
    del first
    return [blob + 1 for blob in second]
run()
before = faults()
for _ in range(3):
    run()
print(faults() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_used_again() -> None:
    def faults(mode: str) -> int:
        command = [sys.executable, "-c", PROGRAM, mode]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert faults("keep") < faults("give back") / 3
