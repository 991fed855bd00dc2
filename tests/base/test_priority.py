"""A program that leaves the cores to others, whatever session they are in."""

from __future__ import annotations

import os
import subprocess
import sys

from digits.base.priority import SESSION

PROGRAM = """
import os
from digits.base.priority import SESSION, lower_priority
before = os.nice(0)
lower_priority(3)
print(os.nice(0) - before, SESSION.read_text() if SESSION.exists() else f"nice {os.nice(0)}")
"""


def test_the_program_and_its_session_are_lowered() -> None:
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, start_new_session=True
    )
    by, _, session = done.stdout.strip().partition(" ")
    assert by == "3"
    assert session.endswith(f"nice {min(19, os.nice(0) + 3)}")
    assert not SESSION.exists() or not SESSION.read_text().endswith("nice 3")
