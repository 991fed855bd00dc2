"""Caffe's command line: `python -m digits.caffe train|test|time|device_query`, or another program.

Caffe's tools, examples and Python programs run under their names: `python -m digits.caffe
convert_imageset ...` (`commands/programs.py`); `run`, `env` and `build` let scripts use them
(`commands/shell.py`).  Log lines go to stderr in Caffe's form.  The exit
status is 0 only if what was asked for was done; a message of level F says why not.
Source: caffe.cpp.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from collections.abc import Sequence

from digits.caffe.commands import flags as command_flags
from digits.caffe.commands import programs, shell
from digits.caffe.errors import CaffeError
from digits.caffe.formats.prototxt import nearest
from digits.caffe.machine.gflags import UsageError
from digits.caffe.machine.log import at, end_logging
from digits.caffe.machine.process import keep_freed_memory, settle_threads
from digits.caffe.solving.signals import Terminated, end_by_sigterm

log = logging.getLogger("digits.caffe.__main__")


def main(arguments: list[str] | None = None) -> int:
    """Run a command line (without the program's name); the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["caffe"]:
        del given[0]
    elif (status := _run_other(given)) is not None:
        return status
    line = command_flags.command_line()
    begun = line.begin(given)
    if isinstance(begun, int):
        return begun
    try:
        flags = command_flags.flags_of(*begun)
    except UsageError as error:
        print(f"ERROR: {error}", file=sys.stderr)  # noqa: T201  # as gflags does
        return 1
    if not flags.command:
        print(line.short_help())  # noqa: T201
        return 0
    return _run(flags)


def _run_other(given: Sequence[str]) -> int | None:
    """Run what is not a command of `caffe`; None when the line names nothing else."""
    word = given[0] if given else ""
    if word in shell.COMMANDS:
        return shell.main(word, given[1:])
    program = programs.named(word)
    if program is not None:
        return programs.run(program, list(given[1:]))
    instead = programs.REPLACED.get(word.removesuffix(".bin"))
    if instead is None or word in command_flags.COMMANDS:
        return None
    log.critical("Deprecated. Use %s instead.", instead, extra=at(f"{word}.cpp:5"))
    return 1


def _run(flags: command_flags.Flags) -> int:
    try:
        if flags.command not in command_flags.COMMANDS:
            return _unknown(flags.command)
        keep_freed_memory()
        settle_threads()
        # Only now: PyTorch takes a second to load.
        command = importlib.import_module(f"digits.caffe.commands.{flags.command}")
        return int(getattr(command, flags.command)(flags))
    except CaffeError as error:
        log.critical("%s", error, extra=at(_raised_at(error)))
        return 1
    except Terminated:
        log.warning("Ended by SIGTERM; no snapshot was taken.")
        end_logging()
        end_by_sigterm()
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        end_logging()


def _raised_at(error: CaffeError) -> str:
    """The file and line that found the mistake."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{os.path.basename(frame.filename)}:{frame.lineno}"


def _unknown(command: str) -> int:
    log.error("Available caffe actions:", extra=at("caffe.cpp:78"))
    for name in sorted(command_flags.COMMANDS):
        log.error("\t%s", name, extra=at("caffe.cpp:81"))
    hint = nearest(command, [*command_flags.COMMANDS, *programs.PROGRAMS, *shell.COMMANDS])
    log.critical("Unknown action: %s%s", command, hint and f".{hint}", extra=at("caffe.cpp:83"))
    return 1


if __name__ == "__main__":
    sys.exit(main())
