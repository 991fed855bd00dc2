"""What large pictures may take while they are decoded, over all processes."""

import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from digits.errors import ImageError
from digits.images import read_image, read_resized
from digits.images.budget import FREE_BYTES, Budget, budget_of, process_budget, server_budget

# Claims so many bytes, says so, and holds them until it is told to end.
HOLDER = """
import os, sys
from digits.images.budget import budget_of
with budget_of(os.environ).claim(int(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
MB = 1 << 20


def hold(budget: Budget, bytes_: int) -> subprocess.Popen[str]:
    """A process that holds so much of a budget."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(bytes_)],
        env={**os.environ, **budget.to_environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def one_colour_webp(width: int, height: int) -> bytes:
    """A lossless WebP whose pixels all have the same colour: 28 bytes for any size.

    Source: WebP Lossless Bitstream Specification: sizes, no transform, no cache, and five codes of
    one symbol each, which takes no bits for a pixel.
    """
    bits = (width - 1) | (height - 1) << 14
    codes = sum(0b0001 << 4 * number for number in range(5))  # simple, one symbol of one bit: 0
    stream = b"\x2f" + struct.pack("<I", bits) + (codes << 3).to_bytes(3, "little")
    chunk = b"VP8L" + struct.pack("<I", len(stream)) + stream
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


@pytest.mark.parametrize("by_kill", [True, False])
def test_a_claim_waits_until_another_process_has_let_go(tmp_path: Path, by_kill: bool) -> None:
    budget = server_budget(tmp_path, 300)
    holder = hold(budget, 200 * MB)
    entered = threading.Event()

    def claim() -> None:
        with budget.claim(200 * MB):
            entered.set()

    waiting = threading.Thread(target=claim)
    waiting.start()
    with budget.claim(FREE_BYTES):  # a small one waits for nobody
        assert not entered.wait(0.2)
    if by_kill:
        end(holder)
    else:
        holder.communicate("")
    assert entered.wait(30)
    waiting.join()


def test_what_fits_beside_others_waits_for_nobody(tmp_path: Path) -> None:
    budget = server_budget(tmp_path, 512)
    holder = hold(budget, 200 * MB)
    with budget.claim(200 * MB):
        end(holder)
    with budget.claim(512 * MB):
        pass


def test_more_than_the_whole_budget_is_refused_with_the_setting(tmp_path: Path) -> None:
    with (
        pytest.raises(ImageError, match=r"takes 600 MB .* 512 MB \(setting decoding_memory_mb\)"),
        server_budget(tmp_path, 512).claim(600 * MB),
    ):
        pass


def test_a_program_that_is_run_by_hand_shares_its_own_budget_with_its_forks() -> None:
    budget = budget_of({})
    inherited = hold(budget, 4900 * MB)
    entered = threading.Event()

    def claim() -> None:
        with budget.claim(200 * MB):
            entered.set()

    waiting = threading.Thread(target=claim)
    waiting.start()
    assert not entered.wait(0.2)
    end(inherited)
    waiting.join()


def test_without_its_folder_pictures_are_read_all_the_same(tmp_path: Path) -> None:
    """The jobs directory may go away; each process has a limit of its own."""
    with server_budget(tmp_path / "away", 512).claim(100 * MB):
        pass


@pytest.mark.parametrize("read", [read_image, lambda data: read_resized(data, 8, 8, 3)])
def test_a_large_picture_waits_for_its_share_and_a_small_one_does_not(read) -> None:
    budget = process_budget()
    large, small = one_colour_webp(1700, 1700), one_colour_webp(200, 100)
    done = threading.Event()

    def decode() -> None:
        read(large)
        done.set()

    waiting = threading.Thread(target=decode)
    with budget.claim(budget.memory_mb * MB):
        waiting.start()
        assert read(small).shape[2] == 3
        assert not done.wait(0.2)
    assert done.wait(30)
    waiting.join()


def test_a_small_file_of_very_many_pixels_is_refused_by_a_small_budget(tmp_path: Path) -> None:
    """The largest WebP is 28 bytes; where there is less memory than it takes, it is left out."""
    script = (
        "import sys; from digits.images import read_resized\n"
        "read_resized(sys.stdin.buffer.read(), 32, 32, 3)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **server_budget(tmp_path, 1000).to_environment()},
        input=one_colour_webp(16383, 16383),
        capture_output=True,
    )
    assert b"ImageError: decoding it takes 4,863 MB of memory" in result.stderr


def test_a_workers_own_memory_has_a_limit(tmp_path: Path) -> None:
    script = (
        "import numpy\nfrom digits.images.budget import process_budget\n"
        "process_budget().limit_process()\n"
        "numpy.ones(400 << 20, numpy.uint8)\n"
        "try: numpy.ones(900 << 20, numpy.uint8)\n"
        "except MemoryError: print('refused')"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **server_budget(tmp_path, 300).to_environment()},
        capture_output=True,
        text=True,
    )
    assert result.stdout == "refused\n", result.stderr
