"""Run the engine's command line inside the test's process, and compare its log with a recorded one.

A log is compared line by line: severity, Caffe's source line, words, and numbers within a
tolerance.  Left out is what cannot be equal: times, threads, and when the data thread starts anew.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import re
import shutil
from pathlib import Path

from digits.caffe.__main__ import main
from tests.golden.cases import DATA

PREFIX = re.compile(r"^([IWEF])\d{4} [\d:.]+ +\d+ ([^\]]+)\] (.*)$")
NUMBER = re.compile(r"-?nan|[-+]?inf|[-+]?\d+\.?\d*(?:e[-+]?\d+)?")
SPEED = re.compile(r"\(\S+ iter/s, \S+s/(\d+) iters\)")
LEFT_OUT = re.compile(
    r"Restarting data prefetching|Waiting for data|hdf5.cpp:33\]|has no usable resume file|"
    # Ours alone says how long it has trained.
    r"Elapsed: "
)
REL, ABS = 1e-4, 1e-5


def run_caffe(arguments: list[str], folder: Path) -> tuple[int, str]:
    """The exit status of `caffe ARGUMENTS` in a folder, and everything it printed."""
    printed = io.StringIO()
    before = os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(printed):
            status = main(arguments)
    finally:
        os.chdir(before)
    return status, printed.getvalue()


def copy_of(folder: Path, tmp_path: Path) -> Path:
    """A copy of a recorded folder, to be run in, whose relative paths lead to the databases."""
    copied = tmp_path / "recorded" / folder.parent.name / folder.name
    shutil.copytree(folder, copied)
    databases = tmp_path / "recorded" / "solvers" / "data"
    databases.parent.mkdir(exist_ok=True)
    databases.symlink_to(DATA / "solvers" / "data")
    return copied


def lines(text: str) -> list[str]:
    """What is compared of a log."""
    found = []
    for line in text.split("*** Check failure stack trace")[0].splitlines():
        match = PREFIX.match(line)
        plain = f"{match[1]} {match[2]}] {match[3]}" if match else line
        if not LEFT_OUT.search(plain):
            found.append(SPEED.sub(r"(speed, time/\1 iters)", plain))
    return found


def difference(text: str, recorded: str, numbers: bool = True, rel: float = REL) -> str:
    """What differs between two logs, in lines marked - (ours) and + (recorded); "" if nothing.

    `numbers` says whether they count: weights filled at random give others.
    """
    ours, theirs = lines(text), lines(recorded)
    matcher = difflib.SequenceMatcher(None, _masked(ours), _masked(theirs), autojunk=False)
    wrong: list[str] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            wrong += [f"- {line}" for line in ours[i1:i2]] + [f"+ {line}" for line in theirs[j1:j2]]
        elif numbers:
            pairs = zip(ours[i1:i2], theirs[j1:j2], strict=True)
            wrong += [f"- {a}\n+ {b}" for a, b in pairs if not _close(a, b, rel)]
    return "\n".join(wrong)


def _masked(text: list[str]) -> list[str]:
    return [NUMBER.sub("#", line) for line in text]


def _close(a: str, b: str, rel: float) -> bool:
    pairs = zip(NUMBER.findall(a), NUMBER.findall(b), strict=True)
    return all(
        x == y
        or ("nan" in x and "nan" in y)
        or abs(float(x) - float(y)) <= rel * abs(float(y)) + ABS
        for x, y in pairs
    )
