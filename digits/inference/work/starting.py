"""The operation `Start`: a worker is ready once it answers."""

from __future__ import annotations

from digits.inference.operations import Start, Started
from digits.inference.work.state import State


def start(state: State, request: Start) -> Started:
    """Nothing is to be done."""
    return Started()
