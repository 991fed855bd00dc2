"""Completion of flags in a shell: what gflags prints for --tab_completion_word.

In: the beginning of a flag.  Out: the flag, or a line for each that begins so.

Source: gflags_completions.cc of gflags 2.2, whose script for Bash asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from digits.caffe.machine.flag_help import Help, shown
from digits.caffe.machine.gflags import Flag, Value

_SOURCE = "src/gflags_completions.cc"
FLAGS = (
    Flag(
        "tab_completion_columns",
        "Number of columns to use in output for tab completion",
        80,
        _SOURCE,
    ),
    Flag(
        "tab_completion_word",
        "If non-empty, HandleCommandLineCompletions() will hijack the process and attempt to do "
        "bash-style command line flag completion on this value.",
        "",
        _SOURCE,
    ),
)
_NARROWEST = 20


def completions(about: Help, values: Mapping[str, Value]) -> str | None:
    """The answer to --tab_completion_word; None where it was not given."""
    word = str(values["tab_completion_word"])
    if not word:
        return None
    beginning = word.lstrip("-").partition("=")[0].replace("-", "_")
    found = sorted(
        (flag for flag in about.flags if word.startswith("-") and flag.name.startswith(beginning)),
        key=lambda flag: flag.name,
    )
    if len(found) <= 1:
        return "".join(f"--{flag.name}" for flag in found)
    columns = max(_NARROWEST, int(values["tab_completion_columns"]))
    own = [flag for flag in found if flag.source == about.source]
    others = [flag for flag in found if flag.source != about.source]
    lines = _table("Matching module flags", own, columns) + _table("Other flags", others, columns)
    return "\n".join(lines)


def _table(title: str, flags: Sequence[Flag], columns: int) -> list[str]:
    if not flags:
        return []
    head = f"-* {title} *-"
    return [head, "-" * len(head), *(_line(flag, columns) for flag in flags)]


def _line(flag: Flag, columns: int) -> str:
    text = f"--{flag.name} [{shown(flag.default)}] {flag.text}"
    return text if len(text) <= columns else f"{text[: columns - 3]}..."
