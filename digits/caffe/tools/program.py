"""What Caffe's small command-line tools have in common: flags, usage, log, exit status."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from digits.caffe.errors import CaffeError
from digits.caffe.machine.command_line import CommandLine
from digits.caffe.machine.gflags import Value
from digits.caffe.machine.log import at, end_logging

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Program:
    """A tool: its usage text, its flags (help and default), how many words it takes, what it does.

    `source` is the file of Caffe that is this tool, and gives it its name.  `run` gets the flags
    and the words, and answers the exit status.
    """

    source: str
    usage: str
    flags: Mapping[str, tuple[str, Value]]
    words: range
    run: Callable[[dict[str, Value], list[str]], int]
    also_to_stderr: bool = True

    @property
    def name(self) -> str:
        """What it is called on a command line."""
        return os.path.basename(self.source).partition(".")[0]

    def main(self, arguments: list[str] | None = None) -> int:
        """Run with a command line (without the program's name); never raises CaffeError."""
        line = CommandLine(self.name, self.usage, self.source, self.flags, self.also_to_stderr)
        begun = line.begin(arguments)
        if isinstance(begun, int):
            return begun
        values, words = begun
        if len(words) not in self.words:
            print(line.short_help(), file=sys.stderr)
            return 1
        return self._run(values, words)

    def _run(self, values: dict[str, Value], words: list[str]) -> int:
        try:
            return self.run(values, words)
        except CaffeError as error:
            log.critical("%s", error, extra=at(_raised_at(error)))
            return 1
        except KeyboardInterrupt:
            return 130
        finally:
            end_logging()


def _raised_at(error: CaffeError) -> str:
    """The file and line that found the mistake."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{os.path.basename(frame.filename)}:{frame.lineno}"
