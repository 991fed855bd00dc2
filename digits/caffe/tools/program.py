"""What Caffe's small command-line tools have in common: flags, usage, log, exit status."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from digits.caffe.errors import CaffeError
from digits.caffe.machine import gflags
from digits.caffe.machine.log import start_logging

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Program:
    """A tool: its usage text, its flags (help and default), how many words it takes, what it does.

    `run` gets the flags and the words, and answers the exit status.
    """

    usage: str
    flags: Mapping[str, tuple[str, gflags.Value]]
    words: range
    run: Callable[[dict[str, gflags.Value], list[str]], int]

    def main(self, arguments: list[str] | None = None) -> int:
        """Run with a command line (without the program's name); never raises CaffeError."""
        start_logging()
        defaults: dict[str, gflags.Value] = {name: row[1] for name, row in self.flags.items()}
        try:
            values, words = gflags.parse(
                sys.argv[1:] if arguments is None else arguments, {**defaults, "help": False}
            )
        except gflags.UsageError as error:
            print(f"ERROR: {error}", file=sys.stderr)
            return 1
        if values.pop("help"):
            print(self._help())
            return 0
        if len(words) not in self.words:
            print(self._help(), file=sys.stderr)
            return 1
        return self._run(values, words)

    def _run(self, values: dict[str, gflags.Value], words: list[str]) -> int:
        try:
            return self.run(values, words)
        except CaffeError as error:
            log.critical("%s", error)
            return 1
        except KeyboardInterrupt:
            return 130

    def _help(self) -> str:
        lines = [self.usage]
        if self.flags:
            lines += ["", "  Flags:"]
        for name, (text, default) in self.flags.items():
            lines += gflags.describe(name, text, default)
        return "\n".join(lines)
