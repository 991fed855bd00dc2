"""The frame of every program here: its log, its errors, its exit status, its signals."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from digits.base.progress import LINE_FORMAT, TIME_FORMAT, log, printable
from digits.errors import DigitsError

EXIT_ERROR = 1
_PR_SET_PDEATHSIG = 1
# Tables of contents and dictionaries of archives can be made to need any amount of memory.
MEMORY_BYTES = 4 << 30


class Stopped(BaseException):
    """SIGTERM or SIGINT came; a BaseException, so that no handler of errors swallows it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


def run_program(main: Callable[[], str]) -> None:
    """Run a program to its end and exit: status 0 if `main` returned what `Done:` shall say.

    A DigitsError or OSError becomes one line `Error: ...` and status 1.  SIGTERM and SIGINT unwind
    the stack, so that half-made files are removed, and give status 128 + signal number.
    """
    logging.basicConfig(
        level=logging.INFO, format=LINE_FORMAT, datefmt=TIME_FORMAT, stream=sys.stderr
    )
    status = 0
    try:
        with _signals_raise():
            text = main()
        log.info("Done: %s", printable(text))
    except Stopped as stopped:
        name = signal.Signals(stopped.signal_number).name
        log.error("Error: Stopped by %s; nothing was written.", name)
        status = 128 + stopped.signal_number
    except (DigitsError, OSError) as error:
        log.error("Error: %s", printable(str(error)))
        status = EXIT_ERROR
    if status:
        _exit_at_once(status)


def _exit_at_once(status: int) -> NoReturn:
    """Exit without waiting for threads that still fetch something; files have been cleared away."""
    gc.collect()  # semaphores of worker processes, which would be reported as leaked
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


def parser_for(module_doc: str | None, program: str) -> argparse.ArgumentParser:
    """A parser whose help shows the module's docstring."""
    return argparse.ArgumentParser(
        prog=f"python -m digits.tools.{program}",
        description=module_doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def limit_memory(most_bytes: int = MEMORY_BYTES) -> None:
    """Let this program take no more memory than that, or than it was allowed before."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = most_bytes if most == resource.RLIM_INFINITY else min(most_bytes, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def end_with(parent: int) -> None:
    """Let this program end when the process that started it does, however that ends.

    What a killed server was waiting for must not go on writing into what the next one removes.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before that
        raise SystemExit(EXIT_ERROR)


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """In the block, the first SIGTERM or SIGINT raises Stopped; later ones are ignored."""
    numbers = (signal.SIGTERM, signal.SIGINT)

    def stop(signal_number: int, frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise Stopped(signal_number)

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
