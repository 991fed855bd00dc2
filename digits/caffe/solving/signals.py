"""What a training does when a signal comes: stop, take a snapshot, or nothing.

In: SIGINT, SIGHUP and what each is to mean.  Out: `requested()`, which the solver asks once an
iteration.  SIGTERM ends the process as soon as the operation that runs is over, without a snapshot;
one that is being written is thrown away.  Source: signal_handler.cpp.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from types import FrameType, TracebackType

from digits.caffe.errors import SolverError


class Action(StrEnum):
    """What is asked of a solver."""

    NONE = "none"
    STOP = "stop"
    SNAPSHOT = "snapshot"


class Terminated(SystemExit):
    """SIGTERM came: leave, and undo what is half done on the way."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


def action_named(name: str, flag: str) -> Action:
    """The action of a command-line flag; SolverError for an unknown one."""
    try:
        return Action(name)
    except ValueError as error:
        raise SolverError(
            f'Invalid signal effect "{name}" was specified for --{flag}; '
            f"known are {', '.join(Action)}"
        ) from error


class SignalHandler:
    """Catches the signals while it is entered (`with`); in the main thread only."""

    def __init__(self, sigint: Action = Action.STOP, sighup: Action = Action.SNAPSHOT) -> None:
        self._effects = {signal.SIGHUP: sighup, signal.SIGINT: sigint}
        self._came: set[int] = set()
        self._former: dict[int, object] = {}

    def requested(self) -> Action:
        """What was asked for since the last call; SIGHUP first, one signal at a time."""
        for number, effect in self._effects.items():
            if number in self._came:
                self._came.discard(number)
                return effect
        return Action.NONE

    def __enter__(self) -> SignalHandler:
        for number in self._effects:
            self._former[number] = signal.signal(number, self._note)
        self._former[signal.SIGTERM] = signal.signal(signal.SIGTERM, _terminate)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, former in self._former.items():
            signal.signal(number, former)  # type: ignore[arg-type]  # what signal() itself gave

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came.add(number)


def _terminate(number: int, frame: FrameType | None) -> None:
    # A second one must not interrupt the cleaning up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def end_by_sigterm() -> None:
    """End this process so that its parent sees the signal that it sent."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
