"""The processes of an evaluation, for tests that stop it in the middle."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

from digits.inference.evaluation import ROWS_FILE, SUMMARY_FILE
from tests.conftest import wait_until

# So many pictures that none is through before it is stopped in the middle.
LONG = 12_000


def stop_in_the_middle(folder: Path) -> tuple[psutil.Process, psutil.Process]:
    """Let the evaluation in `folder` wait when it has told of its first pictures.

    Answers the program that writes, which waits for `resume()`, and the worker with the network.
    """
    rows, log = folder / ROWS_FILE, folder / "classify.log"
    wait_until(rows.exists)
    program = _program_in(folder)
    assert program is not None
    wait_until(lambda: rows.stat().st_size > 0)
    wait_until(lambda: "Progress: " in log.read_text())
    # At once: looking for processes takes a while, in which it goes on.
    program.suspend()
    assert not (folder / SUMMARY_FILE).exists()
    (worker,) = program.children()
    return program, worker


def _program_in(folder: Path) -> psutil.Process | None:
    parents = {}
    for process in processes_in(folder):
        with contextlib.suppress(psutil.Error):
            if "digits.inference.evaluate" in process.cmdline():
                parents[process] = process.ppid()
    # What starts warm has a keeper in place of a shell, which looks just like it.
    keepers = set(parents.values())
    return next((process for process in parents if process.pid not in keepers), None)


def processes_in(folder: Path) -> list[psutil.Process]:
    """The programs that run in a folder."""
    return [process for process in psutil.process_iter() if _runs_in(process, folder)]


def _runs_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd() == str(folder) and process.name() != "sh"
    except psutil.Error:
        return False
