"""What each of Caffe's programs does first: read its flags, answer --help, begin its log.

In: what the program takes, and a command line.  Out: the values of its own flags and the words, or
the status to end with when there is nothing more to do.

Elsewhere: flags (`gflags.py`, `glog.py`), help texts (`flag_help.py`), the log (`log.py`).
Source: GlobalInit in common.cpp.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from digits.caffe.machine import flag_completion, flag_help, gflags, glog, log
from digits.caffe.machine.flag_help import Help
from digits.caffe.machine.gflags import Flag, UsageError, Value


@dataclass(frozen=True)
class CommandLine:
    """What a program takes.

    `source` is the file of Caffe that is this program; `flags` its own, with help and default.
    `also_to_stderr` says whether its log is shown unless flags say otherwise: Caffe's programs set
    --alsologtostderr at their start, all but a few.
    """

    name: str
    usage: str
    source: str
    flags: Mapping[str, tuple[str, Value]]
    also_to_stderr: bool = True

    def begin(self, arguments: Sequence[str] | None) -> tuple[dict[str, Value], list[str]] | int:
        """Read a command line (None: this process's) and start the log.

        Answers the values of the program's own flags and the words; or, after a mistake or a
        question that is answered here, the exit status.
        """
        values = self.defaults
        try:
            given = sys.argv[1:] if arguments is None else list(arguments)
            values, words = gflags.parse(given, values, self.name)
        except UsageError as error:
            for line in str(error).splitlines():
                print(f"ERROR: {line}", file=sys.stderr)  # noqa: T201  # as gflags does
            return 1
        answer = flag_completion.completions(self.help, values)
        if answer is None:
            answer = self.help.asked_for(values)
        if answer is not None:
            print(answer)  # noqa: T201
            return 0
        log.start_logging(glog.settings_of(values, self.name))
        return self.own(values), words

    @property
    def defaults(self) -> dict[str, Value]:
        """The value of every flag where none is given."""
        defaults = {flag.name: flag.default for flag in self.help.flags}
        return defaults | {"alsologtostderr": self.also_to_stderr or defaults["alsologtostderr"]}

    def own(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """The values of the program's own flags."""
        return {name: values[name] for name in self.flags}

    @cached_property
    def help(self) -> Help:
        """All that it can say of itself."""
        own = (Flag(name, *row, self.source) for name, row in self.flags.items())
        shared = (*gflags.FLAGS, *flag_help.FLAGS, *flag_completion.FLAGS, *glog.flags(os.environ))
        return Help(self.name, self.usage, self.source, (*own, *shared))

    def short_help(self) -> str:
        """Its usage and its own flags."""
        return self.help.short(self.defaults)
