"""The texts that gflags prints for --help and its relatives, --helpxml and --version.

In: a program's name, its usage, its flags and the values that they were given.  Out: the text, or
None where nothing of the kind was asked for.  Flags stand under the source file that has them in
Caffe, glog or gflags; the program's own are called after the program.

Elsewhere: reading flags (`gflags.py`).  Source: gflags_reporting.cc of gflags 2.2.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath
from xml.sax.saxutils import escape

from digits.caffe.machine import gflags
from digits.caffe.machine.gflags import Flag, Value

_SOURCE = "src/gflags_reporting.cc"
FLAGS = (
    Flag("help", "show help on all flags [tip: all flags can have two dashes]", False, _SOURCE),
    Flag("helpfull", "show help on all flags -- same as -help", False, _SOURCE),
    Flag("helpmatch", "show help on modules whose name contains the specified substr", "", _SOURCE),
    Flag("helpon", "show help on the modules named by this flag value", "", _SOURCE),
    Flag("helppackage", "show help on all modules in the main package", False, _SOURCE),
    Flag("helpshort", "show help on only the main module for this program", False, _SOURCE),
    Flag("helpxml", "produce an xml version of help", False, _SOURCE),
    Flag("version", "show version and build info and exit", False, _SOURCE),
)
VERSION = "1.0.0"
_TIED = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Help:
    """What a program can say of itself.

    `name` is the program's, `usage` what stands above the flags, `flags` all that it takes,
    `source` the file that has its own.
    """

    name: str
    usage: str
    source: str
    flags: Sequence[Flag]

    def asked_for(self, values: Mapping[str, Value]) -> str | None:
        """The text that these values of the flags ask for; None if they ask for none."""
        if values["helpxml"]:
            return self._xml(values)
        for chosen in self._choices(values):
            return self._text(values, chosen)
        return f"{self.name} version {VERSION}" if values["version"] else None

    def short(self, values: Mapping[str, Value]) -> str:
        """The usage, with the program's own flags only."""
        return self._text(values, self._is_own)

    def _choices(self, values: Mapping[str, Value]) -> list[Callable[[Flag], bool]]:
        """What each flag that asks for help chooses, in gflags' order."""
        package = str(PurePosixPath(self.source).parent)
        module, part = str(values["helpon"]), str(values["helpmatch"])
        asked: list[tuple[Value, Callable[[Flag], bool]]] = [
            (values["helpshort"], self._is_own),
            (values["help"] or values["helpfull"], lambda flag: True),
            (module, lambda flag: PurePosixPath(flag.source).stem == module),
            (part, lambda flag: part in flag.source),
            (
                values["helppackage"],
                lambda flag: str(PurePosixPath(flag.source).parent) == package,
            ),
        ]
        return [chosen for wanted, chosen in asked if wanted]

    def _is_own(self, flag: Flag) -> bool:
        return flag.source == self.source

    def _text(self, values: Mapping[str, Value], chosen: Callable[[Flag], bool]) -> str:
        lines = [self.usage]
        shown = [flag for flag in _sorted(self.flags) if chosen(flag)]
        for source, flags in groupby(shown, key=lambda flag: flag.source):
            lines += ["", f"  Flags from {source}:"]
            for flag in flags:
                lines += lines_of(flag, values[flag.name])
        if not shown and chosen != self._is_own:
            lines += ["", "  No modules matched: use -help"]
        return "\n".join(lines)

    def _xml(self, values: Mapping[str, Value]) -> str:
        head = f"<program>{escape(self.name)}</program>\n<usage>{escape(self.usage)}</usage>"
        rows = [_xml_row(flag, values[flag.name]) for flag in _sorted(self.flags)]
        return "\n".join(['<?xml version="1.0"?>', "<AllFlags>", head, *rows, "</AllFlags>"])


def lines_of(flag: Flag, value: Value) -> list[str]:
    """The lines of a help text on one flag, in gflags' form; its value, where that is another."""
    facts = {"type": gflags.KINDS[type(flag.default)], "default": shown(flag.default)}
    if value != flag.default:
        facts["currently"] = shown(value)
    # A fact stays on one line.
    words = (f"{name}: {fact}".replace(" ", _TIED) for name, fact in facts.items())
    lines = textwrap.wrap(
        f"-{flag.name} ({flag.text}) {' '.join(words)}",
        width=79,
        initial_indent="    ",
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_TIED, " ") for line in lines]


def _sorted(flags: Sequence[Flag]) -> list[Flag]:
    return sorted(flags, key=lambda flag: (flag.source, flag.name))


def shown(value: Value) -> str:
    """A value as help texts show it."""
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _xml_row(flag: Flag, value: Value) -> str:
    cells = {
        "file": flag.source,
        "name": flag.name,
        "meaning": flag.text,
        "default": _plain(flag.default),
        "current": _plain(value),
        "type": gflags.KINDS[type(flag.default)],
    }
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in cells.items())
    return f"<flag>{inner}</flag>"


def _plain(value: Value) -> str:
    return value if isinstance(value, str) else str(value).lower()
